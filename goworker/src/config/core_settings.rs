//! The settings that every provider and every worker has: taken out by the core before the plugin reads its own.

use std::time::Duration;

use schemars::JsonSchema;

use crate::listener::Address;
use crate::provider::{Bound, Keep};
use crate::rate::Rate;
use crate::registry::Role;
use crate::retry::{Backoff, RetryPolicy};
use crate::settings::{Field, Reader, Secret};
use crate::units::Dur;

/// The common settings of a role, as `describe` shows them.
pub fn common_settings(role: Role) -> Vec<Field> {
    let lease = Field::new::<Dur>("lease", "Dur", "For how long a job is handed out before others may have it; renewed while it runs.")
        .or("\"30s\"")
        .within("\"1s\"..=\"1d\"");
    let rate = Field::new::<Option<Rate>>(
        "rate",
        "Option<Rate>",
        match role {
            Role::Queue => "How many jobs may start in any stretch of time of that length, in all processes that use the queue together.",
            _ => "How many jobs may start, or go `into` the queue, in any stretch of time of that length, in this process.",
        },
    )
    .or("None")
    .example("per(200, \"1s\")");
    match role {
        Role::Provider => vec![
            Field::new::<Option<String>>("into", "Option<String>", "The queue that its jobs are put into; without it they run directly.")
                .or("None")
                .example("\"jobs\""),
            lease,
            rate,
        ],
        Role::Queue => vec![
            lease,
            rate,
            Field::new::<KeepBlock>(
                "keep",
                "Keep",
                "How long jobs that have ended stay listed: by age and by number, for `done` (with cancelled ones) and `dead`.",
            )
            .or("(done: (age: \"1h\", count: 10000), dead: (age: \"180d\", count: 100000))"),
        ],
        Role::Worker => vec![
            Field::new::<usize>("concurrency", "usize", "How many jobs it runs at once.").or("20").within("1..=100000"),
            Field::new::<Option<Dur>>("timeout", "Option<Dur>", "The longest time an attempt may take; a job may set a shorter one.")
                .or("None")
                .within("\"1ms\"..")
                .example("\"30s\""),
            Field::new::<RetryBlock>(
                "retry",
                "Retry",
                "When its failed jobs are tried again; what is left out is as in the config's own `retry`.",
            )
            .or("that of the config")
            .example("(retries: 3)"),
            Field::new::<u32>("poison", "u32", "A job on which so many processes have died is not run again.")
                .or("that of the config")
                .within("1..=1000000")
                .example("3"),
        ],
    }
}

/// What there is to set beside `providers` and `workers`, as `describe` shows it.
pub fn top_level() -> Vec<Field> {
    vec![
        Field::new::<RetryBlock>("retry", "Retry", "When failed jobs are tried again, unless their worker says otherwise.")
            .or("(retries: 5, backoff: exponential(initial: \"1s\", factor: 2.0, max: \"10m\", jitter: 0.5))"),
        Field::new::<Vec<HandlerEntry>>(
            "failure_handlers",
            "Vec<HandlerEntry>",
            "Who receives jobs that have failed for good: names of workers, or jobs `(type: \"lua\", name: \"report\", params: {..})`.\n\
             In the params, `failed.job` is the failed job; beside it are the error and the attempts.",
        )
        .or("[]"),
        Field::new::<ShutdownBlock>(
            "shutdown",
            "Shutdown",
            "How long running jobs may go on after the first signal to stop; then they are cancelled, and released uncharged.",
        )
        .or("(grace: \"30s\")"),
        Field::new::<u32>(
            "poison",
            "u32",
            "A job on which so many processes have died is not run again, unless its worker says otherwise.",
        )
        .or("3")
        .within("1..=1000000"),
        Field::new::<Option<AdminBlock>>(
            "admin",
            "Admin",
            "Where a run tells of itself over HTTP; with `--until-idle` it does not.\n\
             There are `/metrics` for Prometheus, `/manager/stats` as in GoWorker, `/livez`, `/readyz` and `/healthz/consuming`.\n\
             An address that other machines can reach needs a `token` beside it.",
        )
        .or("None")
        .example("(listen: \"127.0.0.1:9090\")"),
    ]
}

/// Where a setting of the core belongs that was given somewhere else.
pub(super) fn home(name: &str) -> Option<&'static str> {
    Some(match name {
        "retries" | "backoff" => "`retry: (retries: 5, backoff: ..)`",
        "grace" => "`shutdown: (grace: \"30s\")`",
        "age" | "count" => "`keep: (done: (age: \"1h\", count: 1000), dead: (..))`",
        "failure_handlers" | "shutdown" | "admin" | "providers" | "workers" => "the top level of the file",
        "retry" | "poison" => "workers, or to the top level of the file",
        "concurrency" | "timeout" => "workers",
        "keep" => "queues",
        "lease" | "rate" => "providers",
        "into" => "providers that store nothing themselves",
        _ => return None,
    })
}

/// For the schema only: what `retry` may hold.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description, never a value")]
struct RetryBlock {
    /// How many times to try again after the first attempt.
    retries: Option<u32>,
    /// How long to wait before each new attempt.
    backoff: Option<Backoff>,
}

/// For the schema only: an element of `failure_handlers`.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "a description, never a value")]
enum HandlerEntry {
    /// The name of a worker: a job of its type.
    Worker(String),
    /// A job.
    Job {
        /// Which worker.
        r#type: String,
        /// What to run.
        name: Option<String>,
        /// Its params, beside `failed`.
        params: Option<serde_json::Map<String, serde_json::Value>>,
    },
}

/// For the schema only: what `shutdown` may hold.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description, never a value")]
struct ShutdownBlock {
    /// How long running jobs may go on.
    grace: Option<Dur>,
}

/// For the schema only: what `admin` may hold.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description, never a value")]
struct AdminBlock {
    /// The address to listen on.
    listen: Address,
    /// What clients have to send as `Authorization: Bearer TOKEN`.
    token: Option<Secret>,
}

/// For the schema only: what `keep` may hold.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description, never a value")]
struct KeepBlock {
    /// Jobs that are done, cancelled or expired.
    done: Option<BoundBlock>,
    /// Dead letters.
    dead: Option<BoundBlock>,
}

/// For the schema only: a bound in time and number.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description, never a value")]
struct BoundBlock {
    /// Not longer than this.
    age: Option<Dur>,
    /// Not more than this.
    count: Option<usize>,
}

/// The common settings of a provider or queue.
pub(super) struct ProviderSettings {
    pub(super) into: Option<String>,
    pub(super) rate: Option<Rate>,
    pub(super) lease: Duration,
    pub(super) keep: Keep,
}

impl ProviderSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let rate = reader.given::<Option<Rate>>("rate").flatten();
        let lease: Option<Dur> = reader.given("lease");
        let lease = reader.within("lease", lease, Dur::secs(1)..=Dur::secs(86_400)).unwrap_or(Dur::secs(30));
        if lease < Dur::secs(3) {
            let message = format!("a lease of {lease} is lost when the machine is busy for a moment; its jobs then run twice");
            reader.warning(
                "lease",
                reader.value_span("lease"),
                message,
                Some("a lease of 30s costs nothing: a dead process is noticed without it".to_owned()),
            );
        }
        let into = reader.given::<Option<String>>("into").flatten();
        ProviderSettings { into, rate, lease: lease.get(), keep: read_keep(reader) }
    }
}

fn read_keep(reader: &mut Reader<'_>) -> Keep {
    let defaults = Keep::default();
    let mut keep = reader.block("keep");
    let read = Keep { done: read_bound(&mut keep, "done", defaults.done), dead: read_bound(&mut keep, "dead", defaults.dead) };
    keep.finish(&["done", "dead"], home);
    read
}

fn read_bound(keep: &mut Reader<'_>, name: &'static str, default: Bound) -> Bound {
    let mut bound = keep.block(name);
    let age = bound.given::<Dur>("age").map_or(default.age, Dur::get);
    let count = bound.given("count").unwrap_or(default.count);
    bound.finish(&["age", "count"], home);
    Bound { age, count }
}

/// The common settings of a worker.
pub(super) struct WorkerSettings {
    pub(super) concurrency: usize,
    pub(super) timeout: Option<Duration>,
    pub(super) retry: RetryPolicy,
    pub(super) poison: u32,
}

impl WorkerSettings {
    /// What is left out of `retry`, and `poison`, are those of the config.
    pub(super) fn read(reader: &mut Reader<'_>, retry: &RetryPolicy, poison: u32) -> Self {
        let concurrency = reader.given("concurrency");
        let concurrency = reader.within("concurrency", concurrency, 1..=100_000).unwrap_or(20);
        let timeout: Option<Option<Dur>> = reader.given("timeout");
        let timeout = timeout.flatten();
        let timeout = reader.within("timeout", timeout, Dur::millis(1)..).map(Dur::get);
        let poison = read_poison(reader).unwrap_or(poison);
        WorkerSettings { concurrency, timeout, retry: read_retry(reader, retry), poison }
    }
}

/// After how many crashes a job is not run again.
pub(super) fn read_poison(reader: &mut Reader<'_>) -> Option<u32> {
    let poison = reader.given("poison");
    reader.within("poison", poison, 1..=1_000_000)
}

/// A `retry` block; what is left out is as in `default`.
pub(super) fn read_retry(reader: &mut Reader<'_>, default: &RetryPolicy) -> RetryPolicy {
    let mut block = reader.block("retry");
    let retries = block.given("retries").unwrap_or(default.retries);
    let backoff: Option<Backoff> = block.given("backoff");
    if backoff.as_ref().is_some_and(Backoff::starts_beyond_its_longest) {
        let message = "`initial` is longer than `max`, so every delay is cut to `max`".to_owned();
        let help = format!("raise `max`, which is \"{}\" if left out", Backoff::LONGEST);
        block.warning("backoff.initial", block.place_in("backoff", "initial"), message, Some(help));
    }
    let backoff = backoff.unwrap_or_else(|| default.backoff.clone());
    block.finish(&["retries", "backoff"], home);
    RetryPolicy { retries, backoff }
}
