//! Each configuration in `config/`, as a timeline.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use goworker::testing::Pipeline;
use serde_json::value::RawValue;

use crate::command_line::repository;

/// How a configuration is tried.
struct Trial {
    /// Where its jobs are, beside it.
    jobs: &'static [&'static str],
    /// For how long it is tried, if not until its jobs have ended: a schedule has no end.
    lasts: Option<Duration>,
    /// Workers whose effects a test should not have.
    stand_ins: &'static [&'static str],
}

fn trials() -> BTreeMap<&'static str, Trial> {
    // `4-broken.json` holds no job: what becomes of it is between the folder and its reader.
    let samples = &["samples/1-greetings.jsonl", "samples/2-commands.json", "samples/3-trouble.jsonl"];
    const DAYS: Duration = Duration::from_secs(3 * 86_400);
    BTreeMap::from([
        ("quickstart", Trial { jobs: samples, lasts: None, stand_ins: &["attic"] }),
        ("schedules", Trial { jobs: &[], lasts: Some(DAYS), stand_ins: &[] }),
        // What its requests bring about, `http_worker::examples` tells.
        ("webhooks", Trial { jobs: &["calls/1-orders.jsonl"], lasts: None, stand_ins: &["http", "pager"] }),
    ])
}

/// The jobs of a file, byte for byte: one a line, or an array.
fn jobs(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let jobs: Vec<Box<RawValue>> = match path.extension().and_then(|extension| extension.to_str()) {
        Some("jsonl") => text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        _ => serde_json::from_str(&text).unwrap(),
    };
    jobs.iter().map(|job| job.get().to_owned()).collect()
}

#[test]
fn every_configuration_has_its_timeline() {
    let folder = repository().join("config");
    let mut trials = trials();
    for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_none_or(|extension| extension != "ron") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        let Trial { jobs: files, lasts, stand_ins } =
            trials.remove(name).unwrap_or_else(|| panic!("nobody tries config/{name}.ron: say in {} which jobs are its own", file!()));
        let mut pipeline = Pipeline::load(&path);
        stand_ins.iter().for_each(|worker| pipeline.stand_in(worker, |_, _| Ok(().into())));
        files.iter().flat_map(|file| jobs(&folder.join(file))).for_each(|job| _ = pipeline.feed(&job));
        let (trace, told) = match lasts {
            Some(lasts) => (pipeline.run_for(lasts), format!("for {} days", lasts.as_secs() / 86_400)),
            None => (pipeline.run(), format!("fed with {}", files.join(", "))),
        };
        insta::assert_snapshot!(name, trace, &format!("config/{name}.ron, {told}"));
    }
    assert!(trials.is_empty(), "there is no config/{}.ron", trials.keys().next().unwrap());
}
