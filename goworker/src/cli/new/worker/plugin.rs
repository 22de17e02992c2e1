//! A worker: a function that does one job.

use goworker::{anyhow, worker};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `params` of a job.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Who is greeted.
    who: String,
}

/// What the job returns.
#[derive(Serialize)]
struct Greeting {
    text: String,
}

/// Greets someone.
///
/// `goworker list` shows the first sentence, `goworker describe my_worker` all of it.
#[worker(since = "0.1.0")]
async fn my_worker(
    params: Params,
    /// What comes before the name.
    #[config(default = "Hello")]
    greeting: &str,
) -> anyhow::Result<Greeting> {
    // After an error the job is tried again; `WorkError::fail` says that it would not help. After a
    // crash the same job comes again, so what is done here should bear repetition. A second argument,
    // `ctx: &goworker::Context`, tells the attempt and the time left, and takes log lines.
    anyhow::ensure!(!params.who.is_empty(), "nobody is there");
    Ok(Greeting {
        text: format!("{greeting}, {}!", params.who),
    })
}

#[cfg(test)]
mod tests {
    use goworker::State;
    use goworker::testing::Pipeline;

    /// Runs one job with the configuration, under virtual time: its state, and what it returned.
    fn run(params: &str) -> (State, Option<String>) {
        let mut pipeline = Pipeline::load("my-worker.ron");
        let id = pipeline.feed(&format!(r#"{{"type": "my_worker", "params": {params}}}"#));
        pipeline.run();
        let job = pipeline.job(&id);
        (job.state, job.output.json().map(str::to_owned))
    }

    #[test]
    fn someone_is_greeted() {
        assert_eq!(
            run(r#"{"who": "world"}"#),
            (State::Done, Some(r#"{"text":"Hello, world!"}"#.to_owned()))
        );
    }

    #[test]
    fn nobody_is_greeted_in_vain() {
        assert_eq!(run(r#"{"who": ""}"#), (State::Dead, None));
    }
}
