//! The settings that every provider and every worker has: taken out by the core before the plugin reads its own.

use std::time::Duration;

use schemars::JsonSchema;

use crate::provider::{Bound, Keep};
use crate::registry::{Registration, Role};
use crate::retry::{Backoff, RetryPolicy};
use crate::settings::{Field, Reader};
use crate::units::Dur;

/// The common settings of a role, as `describe` shows them.
pub fn common_settings(role: Role) -> Vec<Field> {
    let lease = Field::new::<Dur>("lease", "Dur", "For how long a job is handed out before others may have it; renewed while it runs.")
        .or("\"30s\"");
    match role {
        Role::Provider => vec![
            Field::new::<Option<String>>("into", "Option<String>", "The queue that its jobs are put into; without it they run directly.")
                .or("None"),
            lease,
        ],
        Role::Queue => vec![
            lease,
            Field::new::<Option<KeepBlock>>(
                "keep",
                "Keep",
                "How long jobs that have ended stay listed: by age and by number, for `done` (with cancelled ones) and `dead`.",
            )
            .or("(done: (age: \"1h\", count: 10000), dead: (age: \"180d\", count: 100000))"),
        ],
        Role::Worker => vec![
            Field::new::<usize>("concurrency", "usize", "How many jobs it runs at once.").or("20").within("1..=100000"),
            Field::new::<Option<Dur>>("timeout", "Option<Dur>", "The longest time an attempt may take; a job may set a shorter one.")
                .or("None"),
            Field::new::<Option<RetryBlock>>(
                "retry",
                "Retry",
                "When its failed jobs are tried again; what is left out is as in the config's own `retry`.",
            )
            .or("that of the config"),
        ],
    }
}

/// The JSON Schema of a kind's entry: its own settings and the common ones.
pub fn schema(registration: &Registration) -> serde_json::Value {
    let mut generator = schemars::SchemaGenerator::default();
    let mut properties = serde_json::Map::new();
    let mut required = Vec::new();
    for field in (registration.fields)().into_iter().chain(common_settings(registration.role)) {
        let mut schema = (field.schema)(&mut generator);
        schema.insert("description".to_owned(), field.doc.into());
        match field.default {
            Some(default) => drop(schema.insert("default".to_owned(), default.into())),
            None => required.push(field.name),
        }
        properties.insert(field.name.to_owned(), schema.into());
    }
    serde_json::json!({
        "title": registration.kind,
        "description": registration.doc,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
        "$defs": generator.take_definitions(false),
    })
}

/// For the schema only: what `retry` may hold.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "a description, never a value")]
struct RetryBlock {
    /// How many times to try again after the first attempt.
    retries: Option<u32>,
    /// How long to wait before each new attempt.
    backoff: Option<Backoff>,
}

/// For the schema only: what `keep` may hold.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "a description, never a value")]
struct KeepBlock {
    /// Jobs that are done, cancelled or expired.
    done: Option<BoundBlock>,
    /// Dead letters.
    dead: Option<BoundBlock>,
}

/// For the schema only: a bound in time and number.
#[derive(JsonSchema)]
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
    pub(super) lease: Duration,
    pub(super) keep: Keep,
}

impl ProviderSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        if reader.take("rate").is_some() {
            reader.error("rate", reader.value_span("rate"), "`rate` is not supported yet".to_owned(), Some("leave it out".to_owned()));
        }
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
        ProviderSettings { into: reader.given("into"), lease: lease.get(), keep: read_keep(reader) }
    }
}

fn read_keep(reader: &mut Reader<'_>) -> Keep {
    let defaults = Keep::default();
    let mut keep = reader.block("keep");
    let read = Keep { done: read_bound(&mut keep, "done", defaults.done), dead: read_bound(&mut keep, "dead", defaults.dead) };
    keep.finish(&["done", "dead"]);
    read
}

fn read_bound(keep: &mut Reader<'_>, name: &'static str, default: Bound) -> Bound {
    let mut bound = keep.block(name);
    let age = bound.given::<Dur>("age").map_or(default.age, Dur::get);
    let count = bound.given("count").unwrap_or(default.count);
    bound.finish(&["age", "count"]);
    Bound { age, count }
}

/// The common settings of a worker.
pub(super) struct WorkerSettings {
    pub(super) concurrency: usize,
    pub(super) timeout: Option<Duration>,
    pub(super) retry: RetryPolicy,
}

impl WorkerSettings {
    pub(super) fn read(reader: &mut Reader<'_>, retry: &RetryPolicy) -> Self {
        let concurrency = reader.given("concurrency");
        let concurrency = reader.within("concurrency", concurrency, 1..=100_000).unwrap_or(20);
        let timeout: Option<Option<Dur>> = reader.given("timeout");
        let timeout = timeout.flatten();
        let timeout = reader.within("timeout", timeout, Dur::millis(1)..).map(Dur::get);
        WorkerSettings { concurrency, timeout, retry: read_retry(reader, retry) }
    }
}

/// A `retry` block; what is left out is as in `default`.
pub(super) fn read_retry(reader: &mut Reader<'_>, default: &RetryPolicy) -> RetryPolicy {
    let mut block = reader.block("retry");
    let retries = block.given("retries").unwrap_or(default.retries);
    let backoff = block.given("backoff").unwrap_or_else(|| default.backoff.clone());
    block.finish(&["retries", "backoff"]);
    RetryPolicy { retries, backoff }
}
