//! GoWorker's providers: what becomes of each.

use std::time::Duration;

use super::address::{Listen, Unusable, listen, server};
use super::document::Object;
use super::plan::{Entry, Plan, text};
use super::units::{interval, memory, rate};
use super::{Old, leave_out, list_unknown};
use crate::units::Dur;

/// The queues that there are, by what they were.
#[derive(Debug, Default)]
pub(super) struct Queues {
    /// Buckets of bolt files, each with its queue.
    buckets: Vec<((String, String), String)>,
    /// Where jobs are stored that GoWorker had in memory.
    local: Option<String>,
}

impl Queues {
    /// The queue on this machine; made at the first question.
    pub(super) fn local(&mut self, plan: &mut Plan) -> String {
        if let Some(local) = &self.local {
            return local.clone();
        }
        let name = plan.name(&["jobs"]);
        let about = "Keeps on disk what GoWorker had in memory only: a job is safe before it is accepted.";
        let mut queue = Entry::new(name.clone(), "sqlite", "", about);
        queue.set("path", text("goworker.db"), "");
        // Queues come first.
        plan.providers.insert(0, queue);
        self.local = Some(name.clone());
        name
    }

    /// The queue in the place of a bucket; made at the first question.
    pub(super) fn of_bucket(&mut self, old: &Object<'_>, name: Option<&str>, plan: &mut Plan) -> String {
        let file = old.text("db_name").unwrap_or_else(|| "my.db".to_owned());
        let bucket = old.text("bucket").unwrap_or_else(|| "job_list".to_owned());
        let key = (file, bucket);
        if let Some((_, queue)) = self.buckets.iter().find(|(known, _)| *known == key) {
            return queue.clone();
        }
        let (file, bucket) = &key;
        let queue = plan.name(&[name.unwrap_or_default(), bucket, "disk"]);
        let about = "In the place of GoWorker's provider `disk`: jobs run when they are due, and survive crashes.";
        let mut entry = Entry::new(queue.clone(), "sqlite", &old.path, about);
        let path = format!("{}-{}.sqlite", file.strip_suffix(".db").unwrap_or(file), queue);
        let why = format!("`db_name` {} was a bolt file, which nothing but GoWorker reads. This is another one.", text(file));
        entry.set("path", text(&path), why);
        let waits = format!("jobs that still wait in the bucket `{bucket}` of {file} stay there: let GoWorker run until none is left");
        old.warn("db_name", waits.clone(), None);
        entry.todo(waits + ".");
        plan.providers.push(entry);
        self.local.get_or_insert_with(|| queue.clone());
        self.buckets.push((key, queue.clone()));
        queue
    }
}

/// What GoWorker's providers become.
pub(super) fn providers(olds: &[Old<'_>], queues: &mut Queues, plan: &mut Plan) {
    // What others refer to is there first.
    for Old { object, .. } in olds.iter().filter(|old| old.kind == "disk") {
        let before = plan.providers.len();
        let queue = queues.of_bucket(object, object.text("name").as_deref(), plan);
        let is_known = plan.providers.len() == before;
        let Some(entry) = plan.providers.iter_mut().find(|entry| entry.name == queue) else { continue };
        if is_known {
            object.warn("", format!("another provider has this bucket, which is `{queue}`; one queue is enough"), None);
            continue;
        }
        set_rate(object, entry, "in all processes together");
        list_unknown(object, &["name", "target", "db_name", "bucket"], Some(entry));
    }
    for Old { kind, name, object } in olds {
        match kind.as_str() {
            "redis" => redis(object, queues, plan),
            "http" => http(object, queues, plan),
            "file" => file(object, queues, plan),
            "disk" => {}
            _ => plan.providers.push(leave_out(name, "provider", object)),
        }
    }
}

fn redis(old: &Object<'_>, queues: &mut Queues, plan: &mut Plan) {
    let name = plan.name(&[&old.text("name").unwrap_or_default(), "redis"]);
    let about = "Whoever LPUSHed jobs goes on as before: they are moved from the list to this queue, which any number of processes share.";
    let mut entry = Entry::new(name, "redis", &old.path, about);
    let host = old.text("host").unwrap_or_else(|| "localhost".to_owned());
    let port = old.text("port").unwrap_or_else(|| "6379".to_owned());
    match server(&host, &port) {
        Ok(server) => entry.set("url", text(&format!("redis://{server}")), ""),
        Err(Unusable::Host) => old.refuse("host", format!("{} is no host", text(&host)), None),
        Err(Unusable::Port) => old.refuse("port", format!("{} is no port", text(&port)), Some("0 to 65535 are allowed".to_owned())),
    }
    entry.set("list", text(&old.text("job_list").unwrap_or_else(|| "job_list".to_owned())), "");
    set_rate(old, &mut entry, "in all processes together; in GoWorker, in each");
    spill(old, &mut entry, queues, plan);
    list_unknown(old, &["name", "host", "port", "job_list", "dump_on_limit", "memory_limit", "target"], Some(&mut entry));
    plan.providers.push(entry);
}

/// When Redis is short of memory.
fn spill(old: &Object<'_>, entry: &mut Entry, queues: &mut Queues, plan: &mut Plan) {
    let (dumps, limit) = (old.flag("dump_on_limit"), old.text("memory_limit"));
    let size = limit.as_deref().and_then(memory);
    match (dumps, size, limit) {
        (true, Some(size), _) => {
            let into = text(&queues.local(plan));
            let why = "`dump_on_limit`: above `memory_limit`, waiting jobs move to a queue on this machine, and run from there.";
            entry.set("spill", format!("(above: \"{size}\", into: {into})"), why);
        }
        (true, None, limit) => {
            let given = limit.map_or_else(|| "no `memory_limit`".to_owned(), |limit| format!("`memory_limit` {}", text(&limit)));
            let told = format!("{given} says no size, so nothing is moved when memory is short");
            old.warn("memory_limit", told.clone(), Some("write it as in \"2G\" or \"512M\"".to_owned()));
            entry.todo(format!("{told}. It would be:"));
            entry.off("spill", format!("(above: \"2GiB\", into: {})", text(&queues.local(plan))));
        }
        (false, _, Some(_)) => {
            entry.note("memory_limit", "Without `dump_on_limit`, `memory_limit` had no effect; as `spill` it would have one.");
        }
        (false, _, None) => {}
    }
}

/// How long a request is held, where GoWorker held it for ever.
const HELD: &str = "10m";

fn http(old: &Object<'_>, queues: &mut Queues, plan: &mut Plan) {
    let name = plan.name(&[&old.text("name").unwrap_or_default(), "http"]);
    let about = "Answers a request with its job's output, as GoWorker did; with 502 and the error if the job failed for good.";
    let mut entry = Entry::new(name, "http", &old.path, about);
    let given = old.text("listen_on").unwrap_or_default();
    set_listen(old, "listen_on", &given, 8081, "give jobs in", &mut entry);
    let endpoint = old.text("endpoint").unwrap_or_else(|| "/job/add".to_owned());
    let path = format!("/{}", endpoint.trim_matches('/'));
    if is_path(&path) {
        if !endpoint.starts_with('/') {
            old.warn("endpoint", format!("a path begins with `/`, so it is {path}"), None);
        }
        entry.set("path", text(&path), "");
    } else {
        let told = format!("`endpoint` {} is no path for jobs, so it is /jobs", text(&endpoint));
        old.warn("endpoint", told.clone(), Some("a path is of A-Z a-z 0-9 _ . - ~ and `/`, as in \"/jobs\"".to_owned()));
        entry.todo(told + ".");
    }
    let why = format!("GoWorker held a request for ever. After {HELD} it is answered with the id to ask for, and the job goes on.");
    entry.set("reply", format!("when_done(timeout: \"{HELD}\")"), why);
    entry.set("into", text(&queues.local(plan)), "");
    list_unknown(old, &["name", "listen_on", "endpoint"], Some(&mut entry));
    plan.providers.push(entry);
}

fn is_path(path: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '~');
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(allowed);
    path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_part))
}

/// An address that others could reach is this machine's until there is a token.
fn set_listen(old: &Object<'_>, key: &str, given: &str, usual: u16, could: &str, entry: &mut Entry) {
    match listen(given) {
        Listen::Near(address) => entry.set("listen", text(&address), ""),
        Listen::Far { near, far } => {
            let told = format!("with `{key}` {} every machine could {could}, and nothing was asked of it", text(given));
            old.warn(key, format!("{told}; now it is {near} only"), Some(format!("the file says how {far} is opened, with a token")));
            entry.set("listen", text(&near), "");
            entry.todo(format!("{told}. To open it, take these two instead, and have clients send `Authorization: Bearer TOKEN`:"));
            entry.off("listen", text(&far));
            entry.off("token", "secret(env(\"GOWORKER_TOKEN\"))");
        }
        Listen::Unclear => {
            let told = format!("`{key}` {} has no port that is a number, so it is {usual}", text(given));
            old.warn(key, told.clone(), None);
            entry.todo(told + ".");
            entry.set("listen", format!("\"127.0.0.1:{usual}\""), "");
        }
    }
}

/// How often a folder may be looked at.
const OFTEN: Duration = Duration::from_millis(100);
const RARELY: Duration = Duration::from_secs(24 * 3_600);

/// The provider `file` was in GoWorker's sample configuration only.
fn file(old: &Object<'_>, queues: &mut Queues, plan: &mut Plan) {
    let name = plan.name(&[&old.text("name").unwrap_or_default(), "file"]);
    let about = "Takes jobs from JSON files. A file goes when its jobs have been stored; what is no job file goes to `failed` in it, with the reason.";
    let mut entry = Entry::new(name, "folder", &old.path, about);
    entry.set("path", text(&old.text("root_folder").unwrap_or_else(|| "jobs".to_owned())), "");
    if let Some(given) = old.text("check_interval") {
        match interval(&given) {
            Some(every) => entry.set("check_interval", text(&Dur(every.get().clamp(OFTEN, RARELY)).to_string()), ""),
            None => {
                let told = format!("`check_interval` {} is no duration, so it is left out", text(&given));
                old.warn("check_interval", told.clone(), None);
                entry.todo(told + ".");
            }
        }
    }
    if let Some(format) = old.text("format").filter(|format| !format.eq_ignore_ascii_case("json")) {
        let told = format!("files of the format {} are not read; JSON (.json) and JSON Lines (.jsonl) are", text(&format));
        old.warn("format", told.clone(), None);
        entry.todo(told + ".");
    }
    set_rate(old, &mut entry, "in this process");
    entry.set("into", text(&queues.local(plan)), "");
    list_unknown(old, &["name", "root_folder", "check_interval", "format", "target"], Some(&mut entry));
    plan.providers.push(entry);
}

fn set_rate(old: &Object<'_>, entry: &mut Entry, scope: &str) {
    let Some(target) = old.number("target") else { return };
    match rate(target) {
        Some(rate) => entry.set("rate", rate, format!("`target`: so many jobs start at most, {scope}.")),
        None => entry.note("target", format!("`target` {target} is no number of jobs a second that could start, so there is no `rate`.")),
    }
}

/// Where GoWorker told of itself if nothing said where: to everybody.
const STATS: &str = "127.0.0.1:9090";

/// What `stats_port` becomes.
pub(super) fn admin(top: &Object<'_>) -> Entry {
    let about = "`/manager/stats` is as in GoWorker; `/metrics` is for Prometheus, `/readyz` and others tell whether it is well.";
    let mut admin = Entry::new("admin".to_owned(), "", "stats_port", about);
    match top.text("stats_port") {
        Some(given) => set_listen(top, "stats_port", &given, 9090, "read the statistics", &mut admin),
        None => admin.set("listen", text(STATS), "GoWorker listened on :9090 if it was not told otherwise."),
    }
    admin
}
