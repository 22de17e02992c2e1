//! A file of jobs, JSON Lines. Streamed: what has been read while a batch was stored is the next batch.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;

use super::answers::Answers;
use super::{ParamsCheck, Warnings};
use crate::cli::fault::Fault;
use crate::cli::{escape, terminal};
use crate::client::OpenQueue;
use crate::job::{Ids, Job, JobError, Parsed};
use crate::queue::{Enqueued, MAX_BULK};

/// Where the lines come from.
pub(super) struct Source {
    /// How messages call it.
    name: String,
    reader: Box<dyn BufRead + Send>,
    /// How many bytes there are, if that is known.
    length: Option<u64>,
}

impl Source {
    /// Opens the file; `-` is stdin.
    pub(super) fn open(path: PathBuf) -> Result<Self, Fault> {
        if path.as_os_str() == "-" {
            return Ok(Source { name: "stdin".into(), reader: Box::new(BufReader::new(io::stdin())), length: None });
        }
        let name = path.display().to_string();
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = opened.map_err(|error| Fault::Usage(format!("{name} cannot be read: {error}")))?;
        if metadata.is_dir() {
            return Err(Fault::Usage(format!("{name} is a folder; `--file` takes one file of jobs")));
        }
        let length = metadata.is_file().then_some(metadata.len());
        Ok(Source { name, reader: Box::new(BufReader::new(file)), length })
    }
}

/// A line that was read.
#[derive(Debug)]
struct Line {
    number: u64,
    /// Up to where the source has been read.
    position: u64,
    content: Result<Parsed, BadLine>,
}

/// Why a line brings no job.
#[derive(Debug)]
enum BadLine {
    NotAJob(JobError),
    /// Its worker would not take it.
    WrongParams(String),
    Unreadable(io::Error),
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadLine::NotAJob(error) if error.column > 0 => write!(f, "{}: {}", error.column, escape::line(&error.to_string())),
            BadLine::NotAJob(error) => write!(f, " {}", escape::line(&error.to_string())),
            BadLine::WrongParams(wrong) => write!(f, " {}", escape::line(wrong)),
            BadLine::Unreadable(error) => write!(f, " {error}"),
        }
    }
}

/// Puts all jobs of the source into the queue, in order, and prints their ids. Stops at a line that is no job.
pub(super) async fn enqueue(
    source: Source,
    queue: &OpenQueue,
    warnings: Warnings,
    params: ParamsCheck,
    answers: Answers,
) -> Result<(), Fault> {
    let progress = progress(source.length);
    let mut bulk = Bulk {
        name: source.name.clone(),
        queue,
        warnings,
        params,
        progress,
        answers,
        tally: Tally::default(),
        print: Some(terminal::print_json),
    };
    bulk.take_all(source.reader).await?;
    bulk.finish()
}

/// Parses line by line until the end, a bad line, or `send` answers that nobody listens any more.
fn read(mut reader: impl BufRead, ids: &Ids, mut send: impl FnMut(Line) -> bool) {
    let (mut number, mut position) = (0, 0);
    let mut text = Vec::new();
    loop {
        text.clear();
        number += 1;
        let content = match reader.read_until(b'\n', &mut text) {
            Ok(0) => return,
            Ok(_) if text.trim_ascii().is_empty() => continue,
            Ok(length) => {
                position += length as u64;
                Job::parse(text.trim_ascii_end(), ids).map_err(BadLine::NotAJob)
            }
            Err(error) => Err(BadLine::Unreadable(error)),
        };
        let bad = content.is_err();
        if !send(Line { number, position, content }) || bad {
            return;
        }
    }
}

/// The state of a bulk under way.
struct Bulk<'a, P> {
    name: String,
    queue: &'a OpenQueue,
    warnings: Warnings,
    params: ParamsCheck,
    progress: ProgressBar,
    answers: Answers,
    tally: Tally,
    /// Prints ids; gone when nobody reads them any more.
    print: Option<P>,
}

#[derive(Debug, Default)]
struct Tally {
    created: u64,
    /// Of the created ones: those that took the place of another.
    replaced: u64,
    existed: u64,
    held: u64,
    conflicts: u64,
}

/// Lines that were there together.
#[derive(Default)]
struct Batch {
    jobs: Vec<Arc<Job>>,
    /// The line of each job.
    numbers: Vec<u64>,
    position: u64,
    /// The line after them, if it is no job.
    bad: Option<(u64, BadLine)>,
}

impl<P: FnMut(&str) -> Result<(), Fault>> Bulk<'_, P> {
    /// Stores all jobs up to the end or the first bad line.
    async fn take_all(&mut self, reader: impl BufRead + Send + 'static) -> Result<(), Fault> {
        let (sender, mut receiver) = mpsc::channel(2 * MAX_BULK);
        // Reading blocks, and parsing takes its time: both go on while a batch is being stored.
        std::thread::spawn(move || read(reader, &Ids::system(), |line| sender.blocking_send(line).is_ok()));
        let mut lines = Vec::with_capacity(MAX_BULK);
        while receiver.recv_many(&mut lines, MAX_BULK).await > 0 {
            let batch = self.gather(lines.drain(..));
            self.store(batch).await?;
        }
        Ok(())
    }

    fn gather(&mut self, lines: impl Iterator<Item = Line>) -> Batch {
        let mut batch = Batch::default();
        for Line { number, position, content } in lines {
            batch.position = position;
            let checked = content.and_then(|parsed| match self.params.check(&parsed.job) {
                Ok(()) => Ok(parsed),
                Err(wrong) => Err(BadLine::WrongParams(wrong)),
            });
            match checked {
                Ok(parsed) => {
                    let said = self.warnings.of(&self.name, number, &parsed);
                    if !said.is_empty() {
                        self.progress.suspend(|| said.iter().for_each(|warning| terminal::warning(warning)));
                    }
                    batch.jobs.push(Arc::new(parsed.job));
                    batch.numbers.push(number);
                }
                Err(reason) => {
                    // The lines behind it are not looked at, although they may have been read.
                    batch.bad = Some((number, reason));
                    break;
                }
            }
        }
        batch
    }

    /// Stores one batch. The jobs before a bad line are stored before it is told.
    async fn store(&mut self, batch: Batch) -> Result<(), Fault> {
        if let Some(first) = batch.numbers.first() {
            let answers = self.queue.handle().enqueue(&batch.jobs, None).await;
            let answers = answers.map_err(|error| self.stopped(Fault::store(self.queue.name(), &error), *first))?;
            self.note(&batch, &answers)?;
        }
        self.progress.set_position(batch.position);
        self.progress.set_message(jobs(self.tally.created + self.tally.existed + self.tally.held));
        match batch.bad {
            Some((number, reason)) => Err(self.stopped(Fault::Failed(format!("{}:{number}:{reason}", self.name)), number)),
            None => Ok(()),
        }
    }

    fn note(&mut self, batch: &Batch, answers: &[Enqueued]) -> Result<(), Fault> {
        let mut ids = String::with_capacity(batch.jobs.len() * 40);
        for ((job, number), answer) in batch.jobs.iter().zip(&batch.numbers).zip(answers) {
            match answer {
                Enqueued::Created => self.tally.created += 1,
                Enqueued::Replaced(_) => {
                    self.tally.created += 1;
                    self.tally.replaced += 1;
                }
                Enqueued::Exists => self.tally.existed += 1,
                Enqueued::Held(_) => self.tally.held += 1,
                Enqueued::Conflict => {
                    self.tally.conflicts += 1;
                    let message = format!("{}:{number}: another job has the id `{}`; this one was not enqueued", self.name, job.id);
                    self.progress.suspend(|| terminal::error(&message));
                }
            }
            self.answers.add(&mut ids, &job.id, answer);
        }
        match self.print.as_mut().map(|print| print(&ids)) {
            // Who no longer reads the ids still wants the jobs enqueued.
            Some(Err(Fault::Output(error))) if error.kind() == io::ErrorKind::BrokenPipe => self.print = None,
            Some(result) => result?,
            None => {}
        }
        Ok(())
    }

    /// The fault, and how far it went before.
    fn stopped(&self, fault: Fault, line: u64) -> Fault {
        self.progress.finish_and_clear();
        let before = format!("stopped before line {line}: {}", self.tally.told(self.queue.name()));
        match fault {
            Fault::Failed(message) => Fault::Failed(format!("{message}\n{before}")),
            Fault::Unavailable(message) => Fault::Unavailable(format!("{message}\n{before}")),
            other => other,
        }
    }

    fn finish(self) -> Result<(), Fault> {
        self.progress.finish_and_clear();
        terminal::note(&self.tally.told(self.queue.name()));
        if self.tally.conflicts > 0 { Err(Fault::Told) } else { Ok(()) }
    }
}

impl Tally {
    fn told(&self, queue: &str) -> String {
        let mut text = format!("{} enqueued into `{queue}`", jobs(self.created));
        if self.replaced > 0 {
            text += &format!(", {} replaced by them", jobs(self.replaced));
        }
        if self.existed > 0 {
            text += &format!(", {} there already", jobs(self.existed));
        }
        if self.held > 0 {
            text += &format!(", {} not needed: others hold the keys", jobs(self.held));
        }
        if self.conflicts > 0 {
            text += &format!(", {} refused", jobs(self.conflicts));
        }
        text
    }
}

/// `1 job`, `2 jobs`.
fn jobs(count: u64) -> String {
    format!("{count} job{}", if count == 1 { "" } else { "s" })
}

/// A bar on a terminal; where ids scroll by on the same one, they are progress enough.
fn progress(length: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() || io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match length {
        Some(length) => (ProgressBar::new(length), "{wide_bar} {percent:>3}%  {msg}  {eta} left"),
        None => (ProgressBar::no_length(), "{spinner} {msg}  {elapsed}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::cli::Format;
    use crate::config::{Config, Source};
    use crate::registry::Registry;

    fn lines(text: &str) -> Vec<Line> {
        let mut lines = Vec::new();
        read(text.as_bytes(), &Ids::system(), |line| {
            lines.push(line);
            true
        });
        lines
    }

    #[test]
    fn empty_lines_count_and_bring_nothing() {
        let lines = lines("{\"type\":\"a\"}\n\n  \r\n{\"type\":\"b\"}");
        let told: Vec<_> = lines.iter().map(|line| (line.number, line.content.as_ref().unwrap().job.job_type.as_str())).collect();
        assert_eq!(told, [(1, "a"), (4, "b")]);
    }

    #[test]
    fn reading_stops_at_a_bad_line_and_tells_the_place() {
        let texts = [
            "{\"type\":\"a\"}\n{\"type\":7}\n{\"type\":\"never read\"}\n",
            "{\"name\":\"no type\"}\n",
            "[{\"type\":\"a\"}]\n",
            "{\"type\":\"a\",\n",
            "{\"type\":\"a\",\"unique\":{\"key\":1}}\n",
            "{\"type\":\"a\"} \x1b[2J\n",
        ];
        let told = texts.map(|text| {
            let lines = lines(text);
            let last = lines.last().unwrap();
            format!("jobs.jsonl:{}:{}", last.number, last.content.as_ref().unwrap_err())
        });
        insta::assert_snapshot!(told.join("\n"));
    }

    /// What a bulk of this text prints, and how it ends.
    async fn bulk(queue: &OpenQueue, text: String) -> (Vec<String>, String) {
        let mut printed = String::new();
        let print = |ids: &str| {
            printed.push_str(ids);
            Ok(())
        };
        let warnings = Warnings::knowing("c.ron", ["a"]);
        let mut bulk = Bulk {
            name: "jobs.jsonl".into(),
            queue,
            warnings,
            params: super::super::params::tests::check(),
            progress: ProgressBar::hidden(),
            answers: Answers(Format::Text),
            tally: Tally::default(),
            print: Some(print),
        };
        let result = bulk.take_all(io::Cursor::new(text)).await;
        let end = match result {
            Ok(()) => bulk.tally.told("jobs"),
            Err(Fault::Failed(message)) => message,
            Err(fault) => panic!("{fault:?}"),
        };
        (printed.lines().map(str::to_owned).collect(), end)
    }

    async fn queue() -> OpenQueue {
        let text = r#"(providers: { "jobs": memory() }, workers: { "a": file(path: "a.jsonl") })"#;
        let mut config = Config::parse(text, Path::new("c.ron"), &Registry::linked()).unwrap().config;
        let Some(Source::Queue(queue)) = config.providers.pop().map(|entry| entry.source) else { panic!("it is a queue") };
        OpenQueue::new("jobs".into(), "memory", queue.start(&crate::provider::Setup::new("jobs", ".")).await.unwrap(), Ids::system())
    }

    #[tokio::test]
    async fn what_stands_before_a_bad_line_is_accepted_and_can_be_sent_again() {
        let queue = queue().await;
        let line = |n: usize| if n == 2_500 { "oops\n".to_owned() } else { format!("{{\"id\":\"{n}\",\"type\":\"a\"}}\n") };
        let (ids, end) = bulk(&queue, (1..=3_000).map(line).collect()).await;
        assert_eq!(ids, (1..2_500).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(end, "jobs.jsonl:2500:1: expected value\nstopped before line 2500: 2499 jobs enqueued into `jobs`");
        let (ids, end) = bulk(&queue, [2, 1, 2_501].map(line).concat()).await;
        assert_eq!((ids, end.as_str()), (vec!["2".into(), "1".into(), "2501".into()], "1 job enqueued into `jobs`, 2 jobs there already"));
    }

    #[tokio::test]
    async fn a_bulk_stops_at_params_that_the_worker_does_not_take() {
        let text = r#"{"id":"1","type":"thumb","params":{"path":"a","marks":[]}}
            {"id":"2","type":"thumb","params":{"marks":[]}}
            {"id":"3","type":"thumb","params":{"path":"a","marks":[]}}"#;
        let (ids, end) = bulk(&queue().await, text.into()).await;
        assert_eq!(ids, ["1"]);
        assert_eq!(
            end,
            "jobs.jsonl:2: a job of type `thumb` does not take these: `params.path` is missing\n\
             stopped before line 2: 1 job enqueued into `jobs`"
        );
    }

    #[tokio::test]
    async fn a_job_whose_id_another_has_is_refused_alone() {
        let (ids, end) = bulk(&queue().await, "{\"id\":\"x\",\"type\":\"a\"}\n{\"id\":\"x\",\"type\":\"a\",\"params\":1}\n".into()).await;
        assert_eq!((ids, end.as_str()), (vec!["x".into()], "1 job enqueued into `jobs`, 1 job refused"));
    }

    #[test]
    fn a_tally_tells_only_what_there_was() {
        let told = |created, existed, held, conflicts| Tally { created, replaced: 0, existed, held, conflicts }.told("jobs");
        assert_eq!(told(1, 0, 0, 0), "1 job enqueued into `jobs`");
        assert_eq!(
            told(0, 2, 1, 1),
            "0 jobs enqueued into `jobs`, 2 jobs there already, 1 job not needed: others hold the keys, 1 job refused"
        );
    }
}
