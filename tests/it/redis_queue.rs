//! `redis` on real servers.

use goworker::config::{Config, Source};
use goworker::testing::conformance::Suite;
use goworker::{AnyQueue, Registry};
use goworker_tests::redis_server::RedisServer;

/// The queue of an entry like this, not yet opened.
pub(crate) fn queue(entry: &str) -> AnyQueue {
    let text = format!("(providers: {{ \"jobs\": {entry} }}, workers: {{ \"work\": file(path: \"work.jsonl\") }})");
    let loaded = Config::parse(&text, "jobs.ron".as_ref(), &Registry::linked()).unwrap_or_else(|report| panic!("{report:?}"));
    match loaded.config.providers.into_iter().next().map(|provider| provider.source) {
        Some(Source::Queue(queue)) => queue,
        other => panic!("no queue: {other:?}"),
    }
}

#[test]
fn redis_keeps_the_contract_of_a_queue() {
    let server = RedisServer::start();
    let url = server.url();
    Suite::new(move |_| queue(&format!("redis(url: \"{url}\")"))).run();
}
