//! The job of one instant. It follows from the instant and the settings alone, so all processes make the same one.

use std::time::Duration;

use goworker::{Ids, Job, JobError, JobTemplate, Timestamp, Unique, UniqueMode, Zone};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Makes the jobs of a schedule.
#[derive(Debug)]
pub(super) struct Maker {
    /// What their ids begin with.
    pub(super) prefix: String,
    pub(super) template: JobTemplate,
    pub(super) zone: Zone,
    /// How much later they start at most.
    pub(super) jitter: Duration,
    /// The key of which only one job may be there at a time.
    pub(super) unique_key: Option<String>,
}

impl Maker {
    /// The job of the instant.
    ///
    /// # Errors
    /// What the settings should not have let through.
    pub(super) fn job(&self, tick: Timestamp) -> Result<Job, JobError> {
        let told = told(tick);
        let id = format!("{}:{told}", self.prefix);
        let mut job = self.template.job().id(&id).meta("tick", told.as_str());
        if let Some(params) = self.template.params() {
            let date = self.zone.date(tick);
            job = job.params(filled_in(params, &|text| text.replace("{tick}", &told).replace("{date}", &date)));
        }
        if !self.jitter.is_zero() {
            job = job.run_at(tick.after(self.jitter.mul_f64(fraction(&id))));
        }
        if let Some(key) = &self.unique_key {
            job = job.unique(Unique { key: Some(key.clone()), window: None, mode: UniqueMode::Reject });
        }
        // It has an id, so none is made.
        job.build(&Ids::system())
    }
}

/// The instant in as few digits as it takes: it is part of an id.
fn told(tick: Timestamp) -> String {
    tick.to_string().replace(".000Z", "Z")
}

/// The same value with its texts changed; the names in it stay.
fn filled_in(value: &Value, change: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => change(text).into(),
        Value::Array(elements) => elements.iter().map(|element| filled_in(element, change)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), filled_in(value, change))).collect(),
        other => other.clone(),
    }
}

/// A number in `0.0..1.0` that follows from the id, and is another one for each.
fn fraction(id: &str) -> f64 {
    let digest = Sha256::digest(id);
    let bits = digest.iter().take(6).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    // 48 bits are exact in a float.
    bits as f64 / (1_u64 << 48) as f64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn maker(template: Value, jitter: u64) -> Maker {
        Maker {
            prefix: "cron:nightly".to_owned(),
            template: serde_json::from_value(template).unwrap(),
            zone: "Pacific/Auckland".parse().unwrap(),
            jitter: Duration::from_secs(jitter),
            unique_key: Some("cron:nightly".to_owned()),
        }
    }

    #[test]
    fn a_job_tells_its_instant() {
        let params = json!({ "at": "{tick}", "files": ["backup-{date}.sql", "{other}", 7], "{tick}": null });
        let template =
            json!({ "type": "lua", "name": "report", "params": params, "retries": 3, "priority": -5, "timeout": "1m", "tags": ["t"] });
        let job = maker(template, 0).job("2026-11-24T12:00:00.010Z".parse().unwrap()).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&job).unwrap());
        let job = maker(json!({ "type": "lua" }), 0).job("2026-11-24T12:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(job.id.as_str(), "cron:nightly:2026-11-24T12:00:00Z");
    }

    #[test]
    fn jitter_is_the_same_for_the_same_instant_and_spreads_over_all_of_its_time() {
        let maker = maker(json!({ "type": "lua" }), 30);
        let late = |minute: i64| {
            let tick = Timestamp::from_millis(minute * 60_000);
            assert_eq!(maker.job(tick).unwrap(), maker.job(tick).unwrap());
            maker.job(tick).unwrap().run_at.unwrap().since(tick).as_millis()
        };
        let late: Vec<u128> = (0..1_000).map(late).collect();
        assert!(late.iter().all(|late| *late < 30_000));
        for tenth in 0..10 {
            let in_it = late.iter().filter(|late| **late / 3_000 == tenth).count();
            assert!((60..140).contains(&in_it), "{in_it} of 1000 in a tenth of the time");
        }
    }
}
