//! What the scripts answer: deliveries, records, numbers.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use goworker::{
    Attempt, Change, Count, Death, Delivery, Enqueued, Failure, Ids, Job, JobRecord, Output, Paused, Process, ProcessRecord, QueueStats,
    State, Timestamp,
};
use redis::FromRedisValue;

/// What is handed out: token, records, what is known of those with a past, and 1 if texts have come in.
pub(super) type Handed = (u64, Vec<Option<Vec<u8>>>, Vec<Past>, u64);

/// What is known of a delivery with a past: its position, crashes, the attempts that count, and how many do not.
type Past = (u64, u32, Vec<Vec<u8>>, u32);

/// What is known of one job: record, past, state, instant, output, failure, attempts, progress, deaths, whose end it waits for.
pub(super) type Known = (Vec<u8>, (u32, u32, u32), String, Option<i64>, String, String, Vec<Vec<u8>>, String, Vec<String>, String);

/// A delivery, or the handle of one that cannot be read, and why.
pub(super) fn deliveries(handed: Handed, ids: &Ids) -> Vec<Result<Delivery, (u64, anyhow::Error)>> {
    let (_, records, pasts, _) = handed;
    let mut pasts = pasts.into_iter().peekable();
    let mut deliveries = Vec::with_capacity(records.len());
    for (handle, record) in (0..).zip(records) {
        let past = pasts.next_if(|(of, ..)| *of == handle);
        deliveries.push(delivery(handle, record, past, ids).map_err(|error| (handle, error)));
    }
    deliveries
}

fn delivery(handle: u64, record: Option<Vec<u8>>, past: Option<Past>, ids: &Ids) -> anyhow::Result<Delivery> {
    let record = record.context("there is no job with this id")?;
    let mut delivery = Delivery::first(Arc::new(job(&record, ids)?.0), handle);
    if let Some((_, crashes, attempts, earlier)) = past {
        (delivery.crashes, delivery.earlier) = (crashes, earlier);
        delivery.attempts = self::attempts(&attempts)?;
    }
    Ok(delivery)
}

/// The job in a record, to be stored elsewhere: one that was delayed has the instant at which it is due, as its delay has begun.
pub(super) fn moving(record: Option<&[u8]>, ids: &Ids) -> anyhow::Result<Job> {
    let record = record.context("there is no job with this id")?;
    let (mut job, enqueued_at) = job(record, ids)?;
    if let Some(delay) = job.delay.take() {
        job.run_at.get_or_insert_with(|| enqueued_at.after(delay.get()));
    }
    Ok(job)
}

/// The job in a record, and when it was accepted.
fn job(record: &[u8], ids: &Ids) -> anyhow::Result<(Job, Timestamp)> {
    const FIELDS: usize = 8;
    let mut fields = record.splitn(FIELDS, |byte| *byte == b' ');
    let mut number = |nth: usize| -> anyhow::Result<i64> {
        let field = fields.nth(nth).and_then(|field| std::str::from_utf8(field).ok());
        Ok(field.context("the record is cut off")?.parse()?)
    };
    let enqueued_at = Timestamp::from_millis(number(1)?);
    let length = usize::try_from(number(4)?)?;
    let json = fields.next().and_then(|rest| rest.get(length..)).ok_or_else(|| anyhow!("the record is cut off"))?;
    Ok((Job::parse(json, ids)?.job, enqueued_at))
}

fn attempts(texts: &[Vec<u8>]) -> anyhow::Result<Vec<Attempt>> {
    texts.iter().map(|text| Ok(serde_json::from_slice(text)?)).collect()
}

/// A death: when, and who.
fn death(text: &str) -> anyhow::Result<Death> {
    let (at, process) = text.split_once(' ').context("a death is cut off")?;
    Ok(Death { at: Timestamp::from_millis(at.parse()?), process: process.parse().map_err(|error: String| anyhow!(error))? })
}

/// A job as others see it; with its attempts if they are wanted.
pub(super) fn record(known: Known, with_attempts: bool, ids: &Ids) -> anyhow::Result<JobRecord> {
    let (record, (attempts, earlier, crashes), state, at, output, failure, texts, progress, deaths, follows) = known;
    let (job, enqueued_at) = job(&record, ids)?;
    let state: State = state.parse().map_err(|error: String| anyhow!(error))?;
    let listed = self::attempts(&texts)?;
    let failure: Option<Failure> = match failure.as_str() {
        "" => listed.last().and_then(|attempt| attempt.failure.clone()),
        text => Some(serde_json::from_str(text)?),
    };
    // One that waits for the end of another job is scheduled for no time.
    let at = at.filter(|_| follows.is_empty()).map(Timestamp::from_millis);
    Ok(JobRecord {
        job: Arc::new(job),
        state,
        // The attempt that succeeded is not noted, because that would be one more write for each job.
        attempt: attempts.saturating_sub(earlier).saturating_add((state == State::Done).into()),
        crashes,
        enqueued_at,
        due_at: at.filter(|_| state == State::Scheduled),
        follows: if follows.is_empty() { None } else { Some(follows.parse().map_err(|error: String| anyhow!(error))?) },
        leased_until: at.filter(|_| state == State::Running),
        progress: if progress.is_empty() { None } else { Some(serde_json::from_str(&progress)?) },
        ended_at: at.filter(|_| state.is_final()),
        output: if output.is_empty() { Output::none() } else { Output::from_json(output)? },
        failure,
        attempts: if with_attempts { listed } else { Vec::new() },
        deaths: deaths.iter().map(|text| death(text)).collect::<anyhow::Result<_>>()?,
    })
}

/// What is known of a process: which one it is, when it began, when it was seen, what it told.
type Announced = (String, i64, i64, String);

/// The processes at a time.
pub(super) fn processes((now, announced): (i64, Vec<Announced>)) -> anyhow::Result<Vec<ProcessRecord>> {
    let mut records = Vec::with_capacity(announced.len());
    for (process, since, seen, told) in announced {
        let process: Process = process.parse().map_err(|error: String| anyhow!(error))?;
        let [now, since, seen] = [now, since, seen].map(Timestamp::from_millis);
        records.extend(ProcessRecord::at(now, process, serde_json::from_str(&told)?, since, seen));
    }
    records.sort_by(|one, other| (one.started_at, &one.process).cmp(&(other.started_at, &other.process)));
    Ok(records)
}

/// What became of jobs, a letter for each; some with an id and `;` after it.
pub(super) fn enqueued(answers: &str) -> anyhow::Result<Vec<Enqueued>> {
    let mut enqueued = Vec::new();
    let mut rest = answers;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        let mut id = || {
            let (id, after) = rest.split_once(';').context("an id is cut off")?;
            rest = after;
            id.parse().map_err(|error: String| anyhow!(error))
        };
        enqueued.push(match letter {
            'C' => Enqueued::Created,
            'E' => Enqueued::Exists,
            'F' => Enqueued::Conflict,
            'H' => Enqueued::Held(id()?),
            'R' => Enqueued::Replaced(id()?),
            other => return Err(anyhow!("`{other}` is no answer that this program knows")),
        });
    }
    Ok(enqueued)
}

pub(super) fn change(word: &str) -> anyhow::Result<Change> {
    Ok(match word {
        "changed" => Change::Changed,
        "requested" => Change::Requested,
        "absent" => Change::Absent,
        word if let Some(holder) = word.strip_prefix("held ") => Change::Held(holder.parse().map_err(|error: String| anyhow!(error))?),
        state => Change::Refused(state.parse().map_err(|error: String| anyhow!(error))?),
    })
}

/// Numbers, from type, state and number one after the other.
pub(super) fn stats(flat: &[redis::Value], oldest: Option<i64>, paused: &[String]) -> anyhow::Result<QueueStats> {
    let mut counts = Vec::with_capacity(flat.len() / 3);
    for entry in flat.chunks_exact(3) {
        let (job_type, state): (String, String) = (String::from_redis_value_ref(&entry[0])?, String::from_redis_value_ref(&entry[1])?);
        let jobs = u64::from_redis_value_ref(&entry[2])?;
        let retrying = state == "retrying";
        let state = if retrying { State::Scheduled } else { state.parse().map_err(|error: String| anyhow!(error))? };
        counts.push(Count { job_type, state, retrying, jobs });
    }
    counts.sort_unstable();
    let mut all = Paused::default();
    paused.iter().for_each(|what| all.pause(what.strip_prefix("type ")));
    Ok(QueueStats { counts, oldest_ready: oldest.map(Timestamp::from_millis), paused: all })
}
