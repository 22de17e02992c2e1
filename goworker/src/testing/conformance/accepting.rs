//! What `enqueue` promises: all or nothing, one job to an id, cursors moved in the same step.

use std::sync::Arc;

use super::cases;
use super::subject::{Subject, done, id, job, jobs, names};
use super::trial::{Trial, Verdict, broken, claim, expect};
use crate::job::{Ids, Job};
use crate::provider::{Cursor, ProviderError};
use crate::queue::{Enqueued, Filter, MAX_BULK, State};

cases![
    accepted_jobs_come_out_once_in_the_order_of_acceptance,
    a_bulk_of_the_largest_size_is_accepted,
    a_larger_bulk_is_refused_and_nothing_of_it_is_stored,
    the_same_job_again_creates_nothing,
    another_job_with_a_known_id_is_refused,
    every_field_of_a_job_comes_through_unchanged,
    a_cursor_moves_with_the_jobs_of_its_call,
    a_cursor_that_has_moved_refuses_the_whole_call,
    of_two_calls_with_the_same_cursor_one_is_done,
    a_cursor_outlives_its_jobs,
];

async fn accepted_jobs_come_out_once_in_the_order_of_acceptance(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    let ids: Vec<String> = (0..30).map(|n| format!("j{n}")).collect();
    for call in ids.chunks(10) {
        queue.accept(call.iter().map(|name| job(name))).await?;
    }
    let mut got = Vec::new();
    for _ in 0..5 {
        got.extend(names(&queue.take(7).await?));
    }
    expect("the jobs of five fetches", got, ids)?;
    queue.take_nothing().await
}

async fn a_bulk_of_the_largest_size_is_accepted(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    let ids: Vec<String> = (0..MAX_BULK).map(|n| format!("j{n}")).collect();
    queue.accept(ids.iter().map(|name| job(name))).await?;
    expect("the jobs of one fetch", names(&queue.take(MAX_BULK).await?), ids)
}

async fn a_larger_bulk_is_refused_and_nothing_of_it_is_stored(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    let bulk: Vec<Arc<Job>> = (0..=MAX_BULK).map(|n| Arc::new(job(&format!("j{n}")))).collect();
    let cursor = Cursor { name: "c".into(), from: None, to: "1".into() };
    claim("an error for MAX_BULK + 1 jobs", queue.enqueue(&bulk, Some(&cursor)).await.is_err())?;
    expect("the jobs stored", queue.listed(Filter::default()).await?, [""; 0])?;
    expect("the cursor", queue.cursor("c").await?, None::<String>)
}

async fn the_same_job_again_creates_nothing(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    let twice = [Arc::new(job("a")), Arc::new(job("a"))];
    expect("one job twice in a call", queue.enqueue(&twice, None).await?, [Enqueued::Created, Enqueued::Exists])?;
    let more = [Arc::new(job("a")), Arc::new(job("b"))];
    expect("a known job and a new one", queue.enqueue(&more, None).await?, [Enqueued::Exists, Enqueued::Created])?;
    let batch = queue.take_exactly(&["a", "b"]).await?;
    expect("a job that runs", queue.enqueue(&more[..1], None).await?, [Enqueued::Exists])?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    expect("a job that is done", queue.enqueue(&more[..1], None).await?, [Enqueued::Exists])?;
    queue.expect_state("a", State::Done).await?;
    queue.take_nothing().await
}

async fn another_job_with_a_known_id_is_refused(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([job("a")]).await?;
    let mut other = job("a");
    other.name = "other".into();
    let calls = [Arc::new(other.clone()), Arc::new(job("b"))];
    expect("another job and a new one", queue.enqueue(&calls, None).await?, [Enqueued::Conflict, Enqueued::Created])?;
    expect("the stored job's name", queue.record("a").await?.job.name.as_str(), "")?;
    let _held = queue.take_exactly(&["a", "b"]).await?;
    queue.take_nothing().await
}

async fn every_field_of_a_job_comes_through_unchanged(trial: Trial) -> Verdict {
    let params = r#"{ "n": 9007199254740993,  "min":-9223372036854775808, "f": 1.0, "e": 1e400 , "s":"\u00fc\n" }"#;
    let text = format!(
        r#"{{"id":"a:b.c-d_e","type":"work","name":"name","params":{params},"retries":3,"capture_output":true,"priority":-7,
        "run_at":"2020-01-01T00:00:00.123Z","expires_at":"2999-01-01T00:00:00Z","timeout":"90s","unique":{{"key":"k","window":"1h"}},
        "tags":["x","y"],"meta":{{"big":18446744073709551615}},"traceparent":"00-1-2-03"}}"#
    );
    let sent = match Job::parse(text.as_bytes(), &Ids::system()) {
        Ok(parsed) => parsed.job,
        Err(error) => return broken(format!("the suite's own job is wrong: {error}")),
    };
    let queue = trial.open().await?;
    queue.accept([sent.clone()]).await?;
    let batch = queue.take_exactly(&["a:b.c-d_e"]).await?;
    expect("the params as delivered", batch.deliveries[0].job.params.get(), params)?;
    expect("the job as delivered", &*batch.deliveries[0].job, &sent)?;
    expect("the job as listed", &*queue.record("a:b.c-d_e").await?.job, &sent)?;
    expect("the same job again", queue.enqueue(&[Arc::new(sent)], None).await?, [Enqueued::Exists])
}

async fn a_cursor_moves_with_the_jobs_of_its_call(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    expect("a cursor that was never set", queue.cursor("c").await?, None::<String>)?;
    move_cursor(&queue, None, "1", "a").await?;
    expect("the cursor after the first call", queue.cursor("c").await?.as_deref(), Some("1"))?;
    // The job is known, but the source has been read further all the same.
    move_cursor(&queue, Some("1"), "2", "a").await?;
    expect("the cursor after the second call", queue.cursor("c").await?.as_deref(), Some("2"))?;
    // What was read need not be a job.
    let on = Cursor { name: "c".into(), from: Some("2".into()), to: "3".into() };
    expect("a call without jobs", queue.enqueue(&[], Some(&on)).await?, [])?;
    expect("the cursor after it", queue.cursor("c").await?.as_deref(), Some("3"))?;
    expect("another cursor", queue.cursor("d").await?, None::<String>)
}

async fn a_cursor_that_has_moved_refuses_the_whole_call(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    move_cursor(&queue, None, "1", "a").await?;
    for wrong in [None, Some("0")] {
        match move_cursor(&queue, wrong, "9", "b").await {
            Err(ProviderError::CursorMoved { name, at }) => expect("where the cursor stands", (&*name, at.as_deref()), ("c", Some("1")))?,
            other => return broken(format!("expected CursorMoved from {wrong:?}, got {other:?}")),
        }
    }
    expect("the cursor", queue.cursor("c").await?.as_deref(), Some("1"))?;
    expect("the jobs stored", queue.listed(Filter::default()).await?, ["a"])
}

async fn of_two_calls_with_the_same_cursor_one_is_done(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    let (one, two) = futures::join!(move_cursor(&queue, None, "1", "a"), move_cursor(&queue, None, "2", "b"));
    let (stands, stored) = match (one, two) {
        (Ok(()), Err(ProviderError::CursorMoved { .. })) => ("1", "a"),
        (Err(ProviderError::CursorMoved { .. }), Ok(())) => ("2", "b"),
        both => return broken(format!("expected one call to be done and one refused, got {both:?}")),
    };
    expect("the cursor", queue.cursor("c").await?.as_deref(), Some(stands))?;
    expect("the jobs stored", queue.listed(Filter::default()).await?, [stored])
}

async fn a_cursor_outlives_its_jobs(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    move_cursor(&queue, None, "1", "a").await?;
    queue.delete(&[id("a")]).await?;
    expect("the cursor", queue.cursor("c").await?.as_deref(), Some("1"))?;
    claim("the old call is refused after its job has gone", move_cursor(&queue, None, "1", "a").await.is_err())?;
    expect("the jobs stored", queue.listed(Filter::default()).await?, [""; 0])?;
    queue.accept(jobs(&["a"])).await
}

async fn move_cursor(queue: &Subject, from: Option<&str>, to: &str, name: &str) -> Result<(), ProviderError> {
    let cursor = Cursor { name: "c".into(), from: from.map(str::to_owned), to: to.into() };
    queue.enqueue(&[Arc::new(job(name))], Some(&cursor)).await.map(|_| ())
}
