//! `#[provider]` and `#[worker]` as a user has them: what they register, and what a config makes of it.

#![allow(clippy::unwrap_used)]

mod expressions;
mod functions;
mod registries;
mod release;
mod ui;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use goworker::config::Config;
use goworker::settings::{Field, Reader, Settings};
use goworker::units::Dur;
use goworker::{
    Batch, Context, Demand, Job, Origin, Provider, ProviderError, Registration, Registry, Role, Settled, WorkResult, Worker, provider,
    worker,
};

/// Resizes a picture.
///
/// Its shape stays.
#[worker]
struct Resize {
    /// JPEG quality, 1 to 100.
    #[config(default = 85, range = 1..=100)]
    quality: u8,
    /// Folder that receives the result.
    output: PathBuf,
    /// Optional caption.
    caption: Option<String>,
    /// How far to turn it.
    #[config(range = -180..=180)]
    degrees: Option<i16>,
    /// How long to wait for the disk.
    #[config(default = "30s", range = "1s"..)]
    patience: Dur,
    /// What to call the result.
    #[config(default = String::from("small"))]
    suffix: String,
    /// Labels.
    #[config(default)]
    labels: BTreeMap<String, String>,
    #[state]
    done: AtomicU64,
}

impl Worker for Resize {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        self.done.fetch_add(1, Ordering::Relaxed);
        let Resize { quality, output, caption, degrees, patience, suffix, labels, .. } = self;
        Ok(serde_json::json!([quality, output, caption, degrees, patience, suffix, labels]).into())
    }
}

/// Brings nothing.
#[provider(name = "nothing_at_all")]
struct Nothing;

impl Provider for Nothing {
    async fn fetch(&self, _: &Demand) -> Result<Batch, ProviderError> {
        std::future::pending().await
    }

    async fn settle(&self, _: &[Settled]) -> Result<Vec<usize>, ProviderError> {
        Ok(Vec::new())
    }
}

mod hidden {
    use super::*;

    /// Lives in a private module of a private module.
    #[worker]
    struct Recluse {
        /// A word that is also a keyword.
        r#type: String,
        /// A word that the macro uses itself.
        #[config(default = 1)]
        reader: u8,
        /// Another.
        config: Option<u8>,
    }

    impl Worker for Recluse {
        async fn work(&self, _: &Job, _: &Context) -> WorkResult {
            Ok(serde_json::json!([self.r#type, self.reader, self.config]).into())
        }
    }
}

/// The same as a worker with `#[worker]`, by hand.
struct Manual {
    times: u8,
}

struct ManualConfig {
    times: u8,
}

impl From<ManualConfig> for Manual {
    fn from(config: ManualConfig) -> Self {
        Manual { times: config.times }
    }
}

impl Settings for ManualConfig {
    fn fields() -> Vec<Field> {
        vec![Field::new::<u8>("times", "u8", "How often.").or("3").within("1..=9")]
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let times = reader.optional::<u8>("times", || 3);
        let times = reader.within("times", times, 1..=9);
        Some(ManualConfig { times: times? })
    }
}

impl Worker for Manual {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        Ok(serde_json::json!(self.times).into())
    }
}

/// Does it by itself.
#[worker]
struct Automatic {
    /// How often.
    #[config(default = 3, range = 1..=9)]
    times: u8,
}

impl Worker for Automatic {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        Ok(serde_json::json!(self.times).into())
    }
}

fn built(worker: &str) -> Result<(), String> {
    let ron = format!("(providers: {{ \"jobs\": memory() }}, workers: {{ \"it\": {worker} }})");
    let registry = Registry::linked().with(manual("manual"));
    Config::parse(&ron, Path::new("jobs.ron"), &registry).map(|_| ()).map_err(|report| report.render(false))
}

fn manual(kind: &'static str) -> Registration {
    let origin = Origin { crate_name: "by-hand", crate_version: "1.0.0", file: "hand.rs", line: 7 };
    Registration::worker::<Manual, ManualConfig>(kind, "Does it by hand.", origin)
}

/// All that a registration says of its settings.
fn table(registration: &Registration) -> String {
    let line = |field: Field| {
        let Field { name, doc, rust_type, default, range, .. } = field;
        let default = default.map(|default| format!(" = {default}")).unwrap_or_default();
        let range = range.map(|range| format!(" in {range}")).unwrap_or_default();
        format!("{name}: {rust_type}{default}{range}    {doc}\n")
    };
    (registration.fields)().into_iter().map(line).collect()
}

#[test]
fn a_struct_is_registered_under_its_name_in_lower_case() {
    let registry = Registry::linked();
    let resize = registry.worker("resize").unwrap();
    assert_eq!(resize.role, Role::Worker);
    assert_eq!(resize.doc, "Resizes a picture.\n\nIts shape stays.");
    assert_eq!(resize.origin.crate_name, "goworker-tests");
    assert_eq!(resize.origin.crate_version, env!("CARGO_PKG_VERSION"));
    assert!(resize.origin.file.ends_with("macros/main.rs"), "{}", resize.origin);
    assert_eq!(registry.provider("nothing_at_all").unwrap().role, Role::Provider);
    assert!(registry.provider("nothing").is_none());
    assert!(registry.worker("recluse").is_some());
    assert!(registry.duplicates().is_empty());
}

#[test]
fn settings_tell_their_type_default_range_and_purpose() {
    insta::assert_snapshot!(table(Registry::linked().worker("resize").unwrap()));
}

#[test]
fn what_a_config_says_arrives() {
    assert_eq!(built("resize(output: \"out\")"), Ok(()));
    assert_eq!(
        built("resize(output: \"out\", quality: 1, degrees: -180, caption: \"x\", patience: \"1s\", labels: {\"a\": \"b\"})"),
        Ok(())
    );
    assert_eq!(built("recluse(type: \"x\", config: 3)"), Ok(()));
}

#[test]
fn every_mistake_in_an_entry_is_told() {
    let said = built("resize(quality: 101, degrees: 181, patience: \"999ms\", suffix: 3, size: 1)").unwrap_err();
    insta::assert_snapshot!(said);
}

#[test]
fn a_config_struct_is_made_by_hand_like_any_other() {
    let config = ResizeConfig {
        quality: 90,
        output: PathBuf::from("out"),
        caption: None,
        degrees: Some(90),
        patience: Dur::secs(1),
        suffix: "large".to_owned(),
        labels: BTreeMap::new(),
    };
    let resize = Resize::from(config);
    assert_eq!((resize.quality, resize.degrees, resize.done.into_inner()), (90, Some(90), 0));
}

#[test]
fn two_kinds_of_one_name_are_both_named() {
    let registry = Registry::linked().with(manual("automatic"));
    let [duplicate] = registry.duplicates() else { panic!("{:?}", registry.duplicates()) };
    let said = duplicate.to_string();
    assert!(said.starts_with("two workers are called `automatic`: one in goworker-tests "), "{said}");
    assert!(said.ends_with("one in by-hand 1.0.0 (hand.rs:7)"), "{said}");
}

#[test]
fn the_manual_way_is_the_same() {
    let registry = Registry::linked();
    let (by_hand, by_macro) = (manual("manual"), registry.worker("automatic").unwrap());
    assert_eq!(table(&by_hand), table(by_macro));
    let wrong = |kind: &str| built(&format!("{kind}(times: 10)")).unwrap_err().replace(kind, "KIND");
    assert_eq!(wrong("manual").lines().next(), wrong("automatic").lines().next());
    assert_eq!(built("manual(times: 9)"), built("automatic(times: 9)"));
}
