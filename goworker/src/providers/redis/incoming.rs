//! Jobs from anyone who can push a text to a list: no library, no script. What is not a job is kept too, as a dead letter.
//!
//! Texts are moved from a list of the user's to one of the queue's own, and become jobs there in one step. None is ever popped for a process
//! that may be gone by then.

use std::sync::Arc;
use std::time::Duration;

use goworker::{Cause, Failure, Ids, Job, Params, ProviderError};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use redis::RedisError;

use super::calls::Calls;
use super::{encode, script};

/// How many texts become jobs in one step.
const PAGE: isize = 200;
/// How long the server waits for a text before it is asked again.
const WAIT: Duration = Duration::from_secs(4);
/// How much later than promised the server's answer may come until the connection counts as broken.
const SLACK: Duration = Duration::from_secs(4);
/// How long to wait between attempts to connect.
const PAUSE: Duration = Duration::from_millis(500);
/// The type of what is no job.
const NO_JOB: &str = "not-a-job";

/// A text, and the job that it is or that stands for it.
struct Read {
    job: Job,
    /// Why it is none.
    failure: Option<Failure>,
}

impl Read {
    fn of(text: &[u8], ids: &Ids) -> Self {
        match Job::parse(text, ids) {
            Ok(parsed) => {
                if !parsed.unknown.is_empty() {
                    tracing::warn!(job = %parsed.job.id, fields = ?parsed.unknown, "fields that a job does not have are kept in `meta`");
                }
                Read { job: parsed.job, failure: None }
            }
            Err(error) => Read::no_job(text, &format!("this is no job: {error}"), ids),
        }
    }

    /// What stands for a text that is no job: the text as it came is in the params.
    fn no_job(text: &[u8], reason: &str, ids: &Ids) -> Self {
        let mut job = Job::new(ids.next(), NO_JOB);
        job.params = match std::str::from_utf8(text) {
            Ok(text) => Params::of(text),
            Err(_) => Params::of(&serde_json::json!({ "percent_encoded": percent_encode(text, NON_ALPHANUMERIC).to_string() })),
        }
        // Texts have a JSON form.
        .unwrap_or_default();
        tracing::warn!(job = %job.id, "{reason}; it is kept as a dead letter");
        Read { job, failure: Some(Failure::new(Cause::Error, reason)) }
    }
}

/// Makes jobs of all that has come in.
pub(super) async fn adopt(calls: &Arc<Calls>, ids: &Ids) -> Result<(), ProviderError> {
    loop {
        let mut look = redis::cmd("LRANGE");
        look.arg(calls.key("incoming")).arg(0).arg(PAGE - 1);
        let texts: Vec<Vec<u8>> = calls.ask(look).await?;
        if texts.is_empty() {
            return Ok(());
        }
        let mut read: Vec<Read> = texts.iter().map(|text| Read::of(text, ids)).collect();
        loop {
            let (ended, answer) = adopt_these(calls, &texts, &read).await?;
            if ended != "taken" {
                break;
            }
            for position in answer.split(' ').filter_map(|position| position.parse::<usize>().ok()) {
                let reason = format!("another job has the id `{}`", read[position].job.id);
                read[position] = Read::no_job(&texts[position], &reason, ids);
            }
        }
    }
}

async fn adopt_these(calls: &Arc<Calls>, texts: &[Vec<u8>], read: &[Read]) -> Result<(String, String), ProviderError> {
    let mut call = calls.write(&script::ADOPT);
    call.cmd.arg(texts.len()).arg(texts);
    for Read { failure, .. } in read {
        call.cmd.arg(failure.as_ref().map(encode::json).unwrap_or_default());
    }
    for Read { job, failure } in read {
        encode::push_job(&mut call.cmd, job, failure.is_some());
    }
    let answer: Vec<String> = call.answer().await?;
    let mut answer = answer.into_iter();
    Ok((answer.next().unwrap_or_default(), answer.next().unwrap_or_default()))
}

/// Moves what is in a list of the user's to the queue's own, oldest first, which is at the right.
pub(super) async fn take_over(calls: &Arc<Calls>, list: &str) -> Result<u64, ProviderError> {
    const MOST: u64 = 1_000;
    let mut moved = 0;
    while moved < MOST {
        let mut cmd = redis::cmd("LMOVE");
        cmd.arg(list).arg(calls.key("incoming")).arg("RIGHT").arg("RIGHT");
        // Repeated after its answer was lost it moves the next one, too, and none is lost by that.
        if calls.ask::<Option<Vec<u8>>>(cmd).await?.is_none() {
            break;
        }
        moved += 1;
    }
    Ok(moved)
}

/// Waits for texts in a list of the user's, for as long as the queue is open.
pub(super) async fn watch(calls: Arc<Calls>, list: String) {
    loop {
        if let Err(error) = watch_once(&calls, &list).await {
            tracing::debug!(%error, list, "the connection that waits for texts is made again");
            calls.server.learn(&error);
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn watch_once(calls: &Arc<Calls>, list: &str) -> Result<(), RedisError> {
    let mut connection = calls.server.own_connection().await?;
    loop {
        let mut cmd = redis::cmd("BLMOVE");
        cmd.arg(list).arg(calls.key("incoming")).arg("RIGHT").arg("RIGHT").arg(WAIT.as_secs());
        let moved = tokio::time::timeout(WAIT + SLACK, cmd.query_async::<Option<Vec<u8>>>(&mut connection)).await;
        let moved = moved.map_err(|_| RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut)))??;
        if moved.is_some() {
            redis::cmd("RPUSH").arg(calls.key("wake")).arg(1).query_async::<i64>(&mut connection).await?;
        }
    }
}
