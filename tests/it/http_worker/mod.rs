//! The worker `http`, with real servers on loopback.

mod answers;
mod configuration;
mod examples;
mod failure_paths;
mod processes;
mod redirects;
mod refusals;
mod requests;
mod secrets;

use goworker::testing::Pipeline;
use goworker::{JobRecord, State};
use goworker_tests::http_server::HttpServer;
use serde_json::{Value, json};

/// A pipeline whose worker may reach the server, with more settings.
fn pipeline(server: &HttpServer, settings: &str) -> Pipeline {
    with_settings(&format!(r#"allow_private: ["{}"], {settings}"#, server.address()))
}

fn with_settings(settings: &str) -> Pipeline {
    Pipeline::new(&format!(
        r#"(
            providers: {{ "jobs": memory() }},
            workers: {{ "http": http({settings}) }},
            retry: (retries: 1, backoff: fixed("1m")),
        )"#
    ))
}

/// Runs a job to its end.
fn run(pipeline: &mut Pipeline, params: Value) -> JobRecord {
    let id = pipeline.feed(&json!({ "type": "http", "params": params }).to_string());
    pipeline.run();
    pipeline.job(&id)
}

/// The output of a job that is done.
fn output(record: &JobRecord) -> Value {
    assert_eq!(record.state, State::Done, "{record:?}");
    record.output.parse().unwrap()
}

/// Why a job is dead.
fn reason(record: &JobRecord) -> &str {
    assert_eq!(record.state, State::Dead, "{record:?}");
    &record.failure.as_ref().unwrap().message
}
