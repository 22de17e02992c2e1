//! Queues as a configuration names them, not yet started.

use goworker::config::{Config, Source};
use goworker::{AnyQueue, Registry, Setup};

/// The queue `memory`.
pub fn memory(setup: &Setup) -> AnyQueue {
    queue("memory()", setup)
}

/// The queue `sqlite`, in the folder of the setup.
pub fn sqlite(setup: &Setup) -> AnyQueue {
    queue(r#"sqlite(path: "jobs.db")"#, setup)
}

/// The queue of an entry such as `redis(url: "..")`. If it spills, then into `local`.
pub fn queue(entry: &str, setup: &Setup) -> AnyQueue {
    let local = r#""local": sqlite(path: "local.db")"#;
    let text = format!(r#"(providers: {{ "jobs": {entry}, {local} }}, workers: {{ "work": file(path: "work.jsonl") }})"#);
    let loaded =
        Config::parse(&text, &setup.base.join("jobs.ron"), &Registry::linked()).unwrap_or_else(|report| panic!("{}", report.render(false)));
    match loaded.config.providers.into_iter().next().map(|entry| entry.source) {
        Some(Source::Queue(queue)) => queue,
        other => panic!("{other:?} is no queue"),
    }
}
