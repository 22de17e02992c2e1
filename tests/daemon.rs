//! The binary as a child process, in a folder of its own.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A folder with configurations, scripts and databases, and the binary to run in it.
#[derive(Debug)]
pub struct Sandbox {
    binary: PathBuf,
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Sandbox {
    /// An empty folder.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        Sandbox { binary: binary.into(), folder: TempDir::new().expect("a temporary folder can be made"), variables: Vec::new() }
    }

    /// Sets a variable of the environment in which the binary runs.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, and the folders it lies in.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).expect("folders can be made");
        }
        std::fs::write(&path, text).expect("files can be written");
        path
    }

    /// Reads a file; empty if it is not there.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Runs the binary to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().expect("the binary runs")
    }

    /// Runs the binary to its end, with text on its standard input.
    pub fn run_with_input<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>, input: &str) -> Output {
        let mut child =
            self.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let mut stdin = child.stdin.take().expect("it is piped");
        let input = input.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().expect("the binary ends");
        // A binary that ends before it has read everything breaks the pipe, which is its right.
        let _broken_pipe = writer.join().expect("the writer does not panic");
        output
    }

    /// Starts the binary and lets it run.
    pub fn start<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Daemon {
        let mut child =
            self.command(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let (talk, hears_talk) = heard(child.stderr.take().expect("it is piped"));
        let (output, hears_output) = heard(child.stdout.take().expect("it is piped"));
        Daemon { child, talk, output, listeners: [hears_talk, hears_output] }
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(self.folder.path()).env_remove("RUST_LOG").env("NO_COLOR", "1");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A binary that runs. Killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    talk: Arc<Mutex<String>>,
    output: Arc<Mutex<String>>,
    listeners: [JoinHandle<()>; 2],
}

/// What a stream brings, as it comes, and who listens to it.
fn heard(stream: impl Read + Send + 'static) -> (Arc<Mutex<String>>, JoinHandle<()>) {
    let heard = Arc::new(Mutex::new(String::new()));
    let listener = Arc::clone(&heard);
    let listening = std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut heard = listener.lock().expect("nobody panics with it");
            heard.push_str(&line);
            heard.push('\n');
        }
    });
    (heard, listening)
}

impl Daemon {
    /// What it has said on stderr so far.
    pub fn talk(&self) -> String {
        self.talk.lock().expect("nobody panics with it").clone()
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed to stdout so far.
    pub fn output(&self) -> String {
        self.output.lock().expect("nobody panics with it").clone()
    }

    /// Waits until it has printed a line that begins so; answers the rest of the line.
    ///
    /// # Panics
    /// When it does not in time; the message holds what it said.
    pub fn wait_for_line(&self, beginning: &str) -> String {
        let mut rest = None;
        let until = Instant::now() + Duration::from_secs(30);
        while rest.is_none() {
            assert!(Instant::now() < until, "it printed no `{beginning}`, but:\n{}{}", self.output(), self.talk());
            std::thread::sleep(Duration::from_millis(5));
            rest = self.output().lines().find_map(|line| line.strip_prefix(beginning).map(str::to_owned));
        }
        rest.unwrap_or_default()
    }

    /// Waits until the one of that name listens, as its log tells, which has to be in JSON; answers its address.
    ///
    /// # Panics
    /// When it does not in time; the message holds what it said.
    pub fn address(&self, name: &str) -> String {
        let address = || {
            let talk = self.talk();
            let mut events = talk.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            events.find(|event| event["provider"] == name && event["address"].is_string())?["address"].as_str().map(str::to_owned)
        };
        wait_until(&format!("`{name}` listens"), Duration::from_secs(30), || address().is_some());
        address().unwrap_or_default()
    }

    /// Sends a signal by its name: `TERM`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().expect("kill runs");
        assert!(status.success(), "signal {name} could not be sent");
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it can be waited for");
    }

    /// Waits for its end; answers the exit code and how long that took.
    ///
    /// # Panics
    /// When it does not end in time; the message holds what it said.
    pub fn wait(&mut self, at_most: Duration) -> (Option<i32>, Duration) {
        let began = Instant::now();
        while began.elapsed() < at_most {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                let took = began.elapsed();
                self.hear_the_rest();
                return (status.code(), took);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it did not end within {at_most:?}; it said:\n{}", self.talk());
    }

    /// Waits for the last that it has said. A child of its own may go on holding the streams, so not for long.
    fn hear_the_rest(&self) {
        let began = Instant::now();
        while self.listeners.iter().any(|listener| !listener.is_finished()) && began.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it can be waited for").is_none()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _already_gone = self.child.kill();
        let _already_waited = self.child.wait();
    }
}

/// Waits until a condition holds.
///
/// # Panics
/// When it does not within `at_most`.
pub fn wait_until(what: &str, at_most: Duration, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < at_most, "not within {at_most:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
