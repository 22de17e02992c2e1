//! The raw limits: what the machine gives to anybody, without a job system.

use std::fs::File;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use goworker_tests::redis_server::RedisServer;
use redis::{Client, Commands, Connection, Script};
use rusqlite::params;
use tempfile::TempDir;

use crate::report::{Format, circumstances, grouped, median, table};
use crate::setup::target;

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Limits {
    /// Jobs a second by the cheapest calls of Redis, and the latency of a bare wake-up
    Redis,
    /// Syncs a second, and rows a second by group commit in SQLite
    Disk,
}

/// Forgets the batch before and moves the next one aside: as little as a job that must not get lost needs.
const MOVE: &str = "\
redis.call('DEL', KEYS[2])
local jobs = redis.call('LPOP', KEYS[1], ARGV[1])
if not jobs then return {} end
redis.call('RPUSH', KEYS[2], unpack(jobs))
return jobs";
const RATE: f64 = 100.0;

/// Measures each of them so many times, and tells the medians.
pub(crate) fn measure(limits: Limits, runs: usize, jobs: usize, format: Format) -> Result<String> {
    let found = (0..runs).map(|_| match limits {
        Limits::Redis => on_redis(jobs),
        Limits::Disk => on_disk(jobs),
    });
    let found = found.collect::<Result<Vec<_>>>()?;
    let rows = found[0].iter().enumerate().map(|(at, (what, _, digits))| {
        let values: Vec<f64> = found.iter().map(|run| run[at].1).collect();
        let ends = [values.iter().copied().reduce(f64::min), values.iter().copied().reduce(f64::max)];
        let shown = [median(values), ends[0], ends[1]].map(|value| value.map_or_else(String::new, |value| grouped(value, *digits)));
        [vec![what.clone()], shown.to_vec()].concat()
    });
    let rows: Vec<Vec<String>> = rows.collect();
    Ok(match format {
        Format::Json => format!("{:#}\n", serde_json::json!({ "measured": circumstances(runs), "rows": rows })),
        _ => format!("{}\n\n{}\n", circumstances(runs), table(["limit", "median", "min", "max"], rows, format)),
    })
}

/// What was measured, the number, and how many digits of it matter.
type Found = Vec<(String, f64, usize)>;

fn on_redis(jobs: usize) -> Result<Found> {
    let server = RedisServer::start();
    let client = Client::open(server.url())?;
    let mut connection = client.get_connection()?;
    let pushed = rate(jobs, || push(&mut connection, jobs))?;
    let mut found = vec![("LPUSH of 1,000 jobs, jobs/s".to_owned(), pushed, 0)];
    let popped = rate(jobs, || {
        for _ in 0..jobs.div_ceil(100) {
            let mut pipe = redis::pipe();
            (0..100).for_each(|_| _ = pipe.lpop("jobs", None));
            pipe.query::<Vec<Option<Vec<u8>>>>(&mut connection)?;
        }
        Ok(())
    })?;
    found.push(("LPOP, 100 in a pipeline, jobs/s".to_owned(), popped, 0));
    for (batch, consumers) in [(50, 1), (50, 2), (100, 1), (100, 2), (500, 2)] {
        push(&mut connection, jobs)?;
        let moved = rate(jobs, || {
            let consumers: Vec<_> = (0..consumers).map(|number| (number, client.clone())).collect();
            let threads = consumers.into_iter().map(|(number, client)| thread::spawn(move || move_all(&client, number, batch)));
            let moved = threads.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap_or(Ok(0)));
            let moved = moved.sum::<Result<usize>>()?;
            anyhow::ensure!(moved == jobs, "{moved} jobs were moved instead of {jobs}");
            Ok(())
        })?;
        found.push((format!("a script that moves {batch} jobs, connections: {consumers}, jobs/s"), moved, 0));
    }
    let waits = wake_ups(&client, jobs.min(1_000))?;
    found.push(("BLPOP wakes up, p50 ms".to_owned(), waits[waits.len() / 2], 2));
    found.push(("BLPOP wakes up, p99 ms".to_owned(), waits[waits.len() * 99 / 100], 2));
    Ok(found)
}

/// What a job is here, as long as those of the drivers.
fn job() -> String {
    format!("{{\"sent\":0.0,\"text\":\"{}\"}}", "x".repeat(60))
}

fn push(connection: &mut Connection, jobs: usize) -> Result<()> {
    let all = vec![job(); jobs];
    for bulk in all.chunks(1_000) {
        connection.lpush::<_, _, ()>("jobs", bulk)?;
    }
    Ok(())
}

fn move_all(client: &Client, number: usize, batch: usize) -> Result<usize> {
    let (script, mut connection, mut moved) = (Script::new(MOVE), client.get_connection()?, 0);
    loop {
        let jobs: Vec<Vec<u8>> = script.key("jobs").key(format!("taken:{number}")).arg(batch).invoke(&mut connection)?;
        if jobs.is_empty() {
            return Ok(moved);
        }
        moved += jobs.len();
    }
}

/// From just before an `LPUSH` to the return of a `BLPOP`, in milliseconds and in order, while nothing else happens.
fn wake_ups(client: &Client, count: usize) -> Result<Vec<f64>> {
    let (mut sender, mut receiver) = (client.get_connection()?, client.get_connection()?);
    let origin = Instant::now();
    let waiting = thread::spawn(move || -> Result<Vec<f64>> {
        let wait = |_| {
            let (_, sent): (String, f64) = receiver.blpop("wake", 0.0)?;
            Ok((origin.elapsed().as_secs_f64() - sent) * 1_000.0)
        };
        (0..count).map(wait).collect()
    });
    for _ in 0..count {
        thread::sleep(Duration::from_secs_f64(1.0 / RATE));
        sender.lpush::<_, _, ()>("wake", origin.elapsed().as_secs_f64())?;
    }
    let mut waits = waiting.join().unwrap_or_else(|_| Ok(Vec::new()))?;
    waits.sort_by(f64::total_cmp);
    Ok(waits)
}

fn on_disk(jobs: usize) -> Result<Found> {
    let folder = TempDir::new_in(target()?).context("a folder for files")?;
    let mut found = Found::new();
    for (kib, syncs) in [(4, jobs / 100), (128, jobs / 200)] {
        let (mut file, page, syncs) = (File::create(folder.path().join("log"))?, vec![7; kib * 1_024], syncs.max(1));
        let synced = rate(syncs, || {
            for _ in 0..syncs {
                file.write_all(&page)?;
                file.sync_data()?;
            }
            Ok(())
        })?;
        found.push((format!("{kib} KiB appended and synced, times/s"), synced, 0));
    }
    for batch in [1, 100, 1_000] {
        let rows = if batch == 1 { jobs / 100 } else { jobs }.max(1);
        let database = rusqlite::Connection::open(folder.path().join(format!("{batch}.db")))?;
        database
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE job (id INTEGER PRIMARY KEY, body TEXT)")?;
        let mut insert = database.prepare("INSERT INTO job (body) VALUES (?1)")?;
        let all = vec![job(); rows];
        let inserted = rate(rows, || {
            for group in all.chunks(batch) {
                database.execute_batch("BEGIN IMMEDIATE")?;
                for body in group {
                    insert.execute(params![body])?;
                }
                database.execute_batch("COMMIT")?;
            }
            Ok(())
        })?;
        found.push((format!("SQLite inserts, WAL, FULL, rows in a transaction: {batch}, rows/s"), inserted, 0));
    }
    Ok(found)
}

/// How many of them a second.
fn rate(count: usize, work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    work()?;
    Ok(count as f64 / began.elapsed().as_secs_f64())
}
