//! What is told of kinds, in all forms.

use std::path::PathBuf;

use schemars::JsonSchema;

use super::*;
use crate::registry::Origin;
use crate::registry::Stability;
use crate::retry::Backoff;
use crate::units::{Dur, Size};

const ORIGIN: Origin = Origin { crate_name: "thumbnails", crate_version: "1.2.0", file: "src/lib.rs", line: 7 };

fn fields() -> Vec<Field> {
    vec![
        Field::new::<PathBuf>("output", "PathBuf", "Folder that receives the result."),
        Field::new::<Vec<String>>("allow", "Vec < String >", "What may be run.\n\nNothing else is."),
        Field::new::<u8>("quality", "u8", "JPEG quality, 1 to 100.").or("85").within("1..=100"),
        Field::new::<Option<Size>>("memory", "Option<Size>", "The most that it may use.").or("None"),
        Field::new::<Dur>("every", "Dur", "How often to look.").or("\"5s\""),
        Field::new::<Backoff>("pace", "goworker::Backoff", "How to slow down.").or("fixed(\"1s\")"),
    ]
}

pub(in crate::cli) fn registry() -> Registry {
    let kind = |kind, role, doc, fields| Registration {
        kind,
        role,
        doc,
        origin: ORIGIN,
        since: None,
        stability: Stability::Stable,
        fields,
        params: || None,
        build: |_| None,
    };
    let resize = kind("resize", Role::Worker, "Resizes a picture. Keeps its shape.\n\nFor every format.", fields);
    Registry::empty()
        .with(resize.params::<Picture>().since("1.1.0"))
        .with(kind("http", Role::Provider, "Takes jobs by HTTP.", Vec::new).stability(Stability::Experimental))
        .with(kind("http", Role::Worker, "Sends a job by HTTP.", Vec::new))
        .with(kind("sqlite", Role::Queue, "Stores jobs in a file.", Vec::new))
}

/// What a job of `resize` says.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description, never a value")]
struct Picture {
    /// Where the picture is.
    path: String,
    /// How wide it is to be.
    #[schemars(range(min = 1, max = 10_000))]
    width: Option<u32>,
    /// Marks to be put on it.
    marks: Vec<Mark>,
}

/// Something to be put on a picture.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code, reason = "a description, never a value")]
enum Mark {
    /// Words.
    Text(String),
    /// A frame.
    Frame {
        /// How thick it is.
        pixels: u8,
    },
    /// The date.
    Date,
}

fn described(kind: &str, render: fn(&Kind<'_>) -> String) -> String {
    let registry = registry();
    let texts: Vec<String> = find(&registry, kind).unwrap().into_iter().map(|kind| render(&Kind::of(kind))).collect();
    anstream::adapter::strip_str(&texts.join("\n")).to_string()
}

#[test]
fn a_kind_is_described_with_all_its_settings() {
    insta::assert_snapshot!(described("resize", text::text));
}

#[test]
fn a_name_of_two_kinds_shows_both() {
    insta::assert_snapshot!(described("http", text::text));
}

#[test]
fn a_queue_has_more_common_settings_than_a_source() {
    insta::assert_snapshot!(described("sqlite", text::text));
}

#[test]
fn programs_get_the_same_as_json() {
    let registry = registry();
    insta::assert_snapshot!(json(&[Kind::of(registry.worker("resize").unwrap())]));
}

#[test]
fn markdown_has_the_same_facts() {
    insta::assert_snapshot!(described("resize", markdown::markdown));
}

#[test]
fn a_schema_has_ranges_defaults_and_docs() {
    insta::assert_snapshot!(terminal::json(&schema(&find(&registry(), "resize").unwrap())));
}

/// With GOWORKER_WRITE_REFERENCE=1 the page is written anew.
#[test]
fn the_reference_page_is_up_to_date() {
    let registry = Registry::builtin();
    let kinds: Vec<Kind<'_>> = registry.providers().chain(registry.workers()).map(Kind::of).collect();
    let (page, path) = (markdown::reference(&kinds), concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference.md"));
    if std::env::var_os("GOWORKER_WRITE_REFERENCE").is_some() {
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/docs")).unwrap();
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == page,
        "docs/reference.md is not what `describe --all --format markdown` prints; GOWORKER_WRITE_REFERENCE=1 writes it"
    );
}

#[test]
fn an_unknown_kind_is_explained() {
    let registry = registry();
    let errors = ["resiez", "kafka"].map(|kind| find(&registry, kind).unwrap_err());
    insta::assert_snapshot!(errors.join("\n"));
}
