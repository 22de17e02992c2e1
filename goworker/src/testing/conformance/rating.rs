//! What a [`Rate`] promises: no more jobs start in any stretch of time, in all processes together, and those that wait are not forgotten.

use std::time::Duration;

use super::cases;
use super::subject::{WORK, job, jobs, names, retry, work};
use super::trial::{PROMPT, Trial, Verdict, claim, expect};
use crate::job::Job;
use crate::provider::Demand;
use crate::queue::State;
use crate::rate::Rate;
use crate::units::Dur;

cases![
    no_more_jobs_start_than_the_rate_allows,
    more_jobs_start_when_the_stretch_is_over,
    no_stretch_of_time_has_more_starts_than_the_rate_says,
    attempts_count_as_starts,
    a_rate_leaves_out_no_type,
    whoever_waits_is_called_when_the_rate_allows_more,
    nobody_is_called_before_the_rate_allows_more,
];

/// Far longer than a case takes.
pub(super) const LONG: Duration = Duration::from_secs(3_600);

async fn no_more_jobs_start_than_the_rate_allows(mut trial: Trial) -> Verdict {
    trial.setup.rate = Some(Rate::per(3, LONG));
    let queue = trial.open().await?;
    queue.accept(jobs(&["a", "b", "c", "d", "e"])).await?;
    let _held = queue.take_exactly(&["a"]).await?;
    expect("what a fetch of ten brought", names(&queue.take(10).await?), ["b", "c"])?;
    queue.take_nothing().await?;
    expect("what a fetch of any type brought", names(&queue.fetch(&Demand::Any(10)).await?), [""; 0])?;
    queue.expect_state("d", State::Ready).await
}

async fn more_jobs_start_when_the_stretch_is_over(mut trial: Trial) -> Verdict {
    trial.stop_clock()?;
    trial.setup.rate = Some(Rate::per(2, Duration::from_secs(10)));
    let queue = trial.open().await?;
    queue.accept(jobs(&["a", "b", "c", "d", "e"])).await?;
    let _held = queue.take_exactly(&["a"]).await?;
    trial.later(Duration::from_secs(4))?;
    expect("what came 4 s later", names(&queue.take(10).await?), ["b"])?;
    trial.later(Duration::from_millis(5_999))?;
    queue.take_nothing().await?;
    trial.later(Duration::from_millis(1))?;
    expect("what came 10 s after the first", names(&queue.take(10).await?), ["c"])?;
    trial.later(Duration::from_secs(4))?;
    expect("what came 10 s after the second", names(&queue.take(10).await?), ["d"])
}

async fn no_stretch_of_time_has_more_starts_than_the_rate_says(mut trial: Trial) -> Verdict {
    const WINDOW: Duration = Duration::from_millis(300);
    trial.setup.rate = Some(Rate::per(4, WINDOW));
    let queue = trial.open().await?;
    let ids: Vec<String> = (0..14).map(|number| format!("j{number}")).collect();
    queue.accept(ids.iter().map(|id| job(id))).await?;
    let mut starts = Vec::new();
    while starts.len() < ids.len() {
        let before = trial.now();
        // Uneven demands, so that starts are spread.
        let came = queue.await_jobs(1 + starts.len() % 3).await?.deliveries.len();
        starts.extend(std::iter::repeat_n((before, trial.now()), came));
    }
    for stretch in starts.windows(5) {
        // Each was handed out between two instants; the stretch is at most from the first's earlier to the fifth's later one.
        claim("five starts lie 300 ms apart, if four are allowed in that time", trial.may_have_passed(WINDOW, stretch[0].0, stretch[4].1))?;
    }
    let took = starts[13].1.since(starts[0].0);
    claim(&format!("14 starts at 4 in 300 ms take about 900 ms; it was {took:?}"), took < 3 * WINDOW + PROMPT)
}

async fn attempts_count_as_starts(mut trial: Trial) -> Verdict {
    trial.setup.rate = Some(Rate::per(3, LONG));
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    for _ in 0..3 {
        queue.run_stored("a", retry(Duration::ZERO)).await?;
    }
    queue.take_nothing().await
}

async fn a_rate_leaves_out_no_type(mut trial: Trial) -> Verdict {
    trial.stop_clock()?;
    trial.setup.rate = Some(Rate::per(2, Duration::from_secs(1)));
    let queue = trial.open().await?;
    let other = |name| Job { job_type: "other".into(), ..job(name) };
    for jobs in [[job("a"), job("b")], [job("c"), other("d")], [job("e"), other("f")]] {
        queue.accept(jobs).await?;
        trial.later(Duration::from_millis(10))?;
    }
    let both = Demand::ByType(vec![(WORK.into(), 10), ("other".into(), 10)]);
    for expected in [["a", "b"], ["c", "d"], ["e", "f"]] {
        let mut came = names(&queue.fetch(&both).await?);
        came.sort();
        expect("what a fetch of both types brought", came, expected)?;
        trial.later(Duration::from_secs(1))?;
    }
    Ok(())
}

async fn whoever_waits_is_called_when_the_rate_allows_more(mut trial: Trial) -> Verdict {
    const WINDOW: Duration = Duration::from_millis(500);
    trial.setup.rate = Some(Rate::per(2, WINDOW));
    let queue = trial.open().await?;
    queue.accept(jobs(&["a", "b", "c"])).await?;
    let before = trial.now();
    expect("what a fetch of three brought", names(&queue.take(3).await?), ["a", "b"])?;
    expect("what came then", names(&queue.await_jobs(3).await?), ["c"])?;
    claim("it comes when the time is over", trial.has_passed(WINDOW, before))?;
    let took = trial.now().since(before);
    claim(&format!("it comes within {PROMPT:?} of that, and came after {took:?}"), took < WINDOW + PROMPT)
}

async fn nobody_is_called_before_the_rate_allows_more(mut trial: Trial) -> Verdict {
    trial.setup.rate = Some(Rate::per(1, LONG));
    let queue = trial.open().await?;
    queue.accept([job("a"), job("b"), Job { delay: Some(Dur::millis(20)), ..job("late") }]).await?;
    let _held = queue.take_exactly(&["a"]).await?;
    let demand = work(1);
    // What was told before may still be heard of.
    for _ in 0..3 {
        queue.take_nothing().await?;
        let _ = tokio::time::timeout(Duration::from_millis(100), queue.ready(&demand)).await;
    }
    let called = async {
        tokio::join!(queue.ready(&demand), async {
            // So that the wait is under way.
            tokio::time::sleep(Duration::from_millis(30)).await;
            queue.accept(jobs(&["c", "d"])).await
        })
        .1
    };
    match tokio::time::timeout(Duration::from_millis(300), called).await {
        Err(_) => Ok(()),
        Ok(accepted) => accepted.and_then(|()| claim("nobody is called while the rate allows nothing", false)),
    }
}
