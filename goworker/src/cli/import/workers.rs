//! GoWorker's workers and failure handlers: what becomes of each.

use super::document::Object;
use super::plan::{Entry, Line, Plan, text};
use super::providers::Queues;
use super::{Old, leave_out, list_unknown, quoted};

/// What GoWorker's workers become. The name stays, for it is the `type` of the jobs.
pub(super) fn workers(olds: &[Old<'_>], queues: &mut Queues, plan: &mut Plan) {
    for (at, Old { kind, name, object }) in olds.iter().enumerate() {
        if olds[at + 1..].iter().any(|later| later.name == *name) {
            object.warn("", format!("there are two workers `{name}`; as in GoWorker, the last one counts"), None);
            continue;
        }
        let mut entry = match kind.as_str() {
            "cli" => cli(name, object),
            "http" => http(name, object),
            "disk" => disk(name, object, queues, plan),
            "file" => file(name, object, queues, plan),
            _ => {
                plan.workers.push(leave_out(name, "worker", object));
                continue;
            }
        };
        match object.count("workers") {
            Some(workers @ 1..=100_000) => entry.set("concurrency", workers.to_string(), ""),
            Some(workers) => {
                let told = format!("{workers} `workers` cannot be; there are 20, which is the default as in GoWorker");
                object.warn("workers", told.clone(), Some("1 to 100000 are allowed".to_owned()));
                entry.todo(told + ".");
            }
            None => {}
        }
        // GoWorker went by the kind alone.
        object.text("name");
        list_unknown(object, &["name", "workers", "db_name", "bucket"], Some(&mut entry));
        plan.workers.push(entry);
    }
}

fn cli(name: &str, old: &Object<'_>) -> Entry {
    let about = "Runs the command that a job names. Exit code 0 is done, 65 fails at once, others are tried again; output is stdout only.";
    let mut entry = Entry::new(name.to_owned(), "cli", &old.path, about);
    let why = "GoWorker ran whatever a job named, found in PATH, so whoever could give jobs in could run anything. Better name what is needed, by absolute \
               paths: `allow: [\"/usr/bin/ffmpeg\"]`.";
    old.warn(
        "",
        "jobs may run any command, as in GoWorker",
        Some("name the commands in `allow`, as in `allow: [\"/usr/bin/ffmpeg\"]`".to_owned()),
    );
    entry.set("allow", "any", why);
    let why = "Commands had all variables of GoWorker itself. Here they have these, and JOB_ID, JOB_NAME, JOB_ATTEMPT and JOB_TOKEN.";
    entry.set("env", "{ \"PATH\": env(\"PATH\", \"/usr/local/bin:/usr/bin:/bin\"), \"HOME\": env(\"HOME\", \"/\") }", why);
    entry
}

fn http(name: &str, old: &Object<'_>) -> Entry {
    let about = "Makes the request of a job. GoWorker took any answer for success; here 2xx is, 408, 425, 429 and 5xx are tried again, all else fails at once. \
                 `expect` in a job's params says otherwise.";
    let mut entry = Entry::new(name.to_owned(), "http", &old.path, about);
    entry.note("", "Private addresses, such as those of this machine, are refused unless `allow_private` names them.");
    entry.off("allow_private", "[\"10.0.0.0/8\", \"localhost:8080\"]");
    entry
}

fn disk(name: &str, old: &Object<'_>, queues: &mut Queues, plan: &mut Plan) -> Entry {
    let queue = queues.of_bucket(old, None, plan);
    let about = "Stores the job in its params, to run at `exicution_time`; that spelling is known here, too.";
    let mut entry = Entry::new(name.to_owned(), "enqueue", &old.path, about);
    entry.set("queue", text(&queue), "");
    entry
}

/// The worker `file` was in GoWorker's sample configuration, and in what `dump_on_limit` made of jobs.
fn file(name: &str, old: &Object<'_>, queues: &mut Queues, plan: &mut Plan) -> Entry {
    let queue = queues.local(plan);
    let about = "GoWorker had no such worker, but `dump_on_limit` made jobs for one: they hold a job that is to be stored.";
    let mut entry = Entry::new(name.to_owned(), "enqueue", &old.path, about);
    entry.set("queue", text(&queue), "");
    for key in ["root_folder", "format"] {
        if let Some(given) = old.text(key) {
            entry.note(key, format!("`{key}` {} has no meaning here: a queue stores the jobs.", text(&given)));
        }
    }
    entry
}

/// What GoWorker's failure handlers become.
pub(super) fn failure_handlers(olds: &[Old<'_>], plan: &mut Plan) {
    for Old { kind, name, object } in olds {
        if kind == "file" {
            file_handler(object, plan);
            continue;
        }
        let did = match kind.as_str() {
            "cli" | "http" => format!("GoWorker's failure handler `{name}` did the failed job's own params once more"),
            "disk" => format!("GoWorker's failure handler `{name}` stored a job that it took for one within the failed job's params"),
            _ => format!("a failure handler `{name}` is no part of GoWorker"),
        };
        let help = match kind.as_str() {
            "cli" => "here a handler is a job of its own: (type: \"cli\", params: {\"command\": \"/usr/local/bin/report\"})",
            "http" => "here a handler is a job of its own: (type: \"http\", params: {\"url\": \"https://example.com/failed\"})",
            "disk" => "here failed jobs stay listed until they are retried or deleted; no handler is needed for that",
            _ => "write it as a worker, in Lua or in Rust, and name that worker",
        };
        object.warn("", format!("{did}; it is left out"), Some(help.to_owned()));
        plan.of_handlers.push(Line::Todo(format!("{did}; {help}. It was:")));
        plan.of_handlers.push(Line::Quote(quoted(name, object)));
    }
}

/// Where failed jobs are written if nothing says it.
const FAILURES: &str = "failures";

fn file_handler(old: &Object<'_>, plan: &mut Plan) {
    let wanted = old.text("name").unwrap_or_else(|| FAILURES.to_owned());
    let name = plan.worker_name(&[&wanted, FAILURES]);
    let about = "Failed jobs, one line of JSON each, with the error and all attempts.";
    let mut entry = Entry::new(name.clone(), "file", &old.path, about);
    let folder = old.text("root_folder").unwrap_or_else(|| FAILURES.to_owned());
    let path = format!("{}.jsonl", folder.trim_end_matches('/'));
    entry.set("path", text(&path), "");
    if old.flag("raw") {
        entry.note("raw", "`raw`: in a line the job is whole, its params byte for byte, as `job.params.failed.job`.");
    }
    list_unknown(old, &["name", "root_folder", "raw"], Some(&mut entry));
    plan.workers.push(entry);
    plan.failure_handlers.push(name);
}
