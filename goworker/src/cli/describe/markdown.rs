//! A description as Markdown: of one kind, or the reference of all.

use super::part::Part;
use super::setting::Setting;
use super::{Kind, indented, settings};
use crate::cli::identity::Identity;
use crate::config::{common_settings, top_level};
use crate::registry::Role;

const HEAD: &str = "\
# Reference

All that can be set in a configuration, and all kinds of providers and workers in goworker itself. This page is what
`goworker describe --all --format markdown` prints; a binary with plugins prints theirs too.

```ron
(
    providers: { \"name\": kind(setting: value, ..), .. },
    workers: { \"name\": kind(setting: value, ..), .. },     // the name is the job type that it runs
    // and the settings of the file
)
```

Values may be `env(\"X\")` or `env(\"X\", \"default\")`; secrets also `secret(file(\"/run/secrets/x\"))`. Durations and sizes
are text with their unit: `\"250ms\"`, `\"1h 30m\"`, `\"64MiB\"`. Paths are relative to the folder of the file.
`goworker new config KIND..` writes a file to start from.
";

/// The page about all kinds.
pub(super) fn reference(kinds: &[Kind<'_>]) -> String {
    let of_file = settings(&top_level());
    let mut text = format!("{HEAD}\n## Settings of the file\n\n{}", list(&of_file));
    let sections = [
        (Role::Queue, "Queues", "Providers that store jobs. Every queue"),
        (Role::Provider, "Sources", "Providers that bring jobs. Every source"),
        (Role::Worker, "Workers", "What runs jobs. Every worker"),
    ];
    for (role, title, what) in sections {
        text += &format!("\n## {title}\n\n{what} has these settings beside its own:\n\n");
        let mut common = settings(&common_settings(role));
        // What is in them has been told already.
        let is_told = |setting: &&mut Setting| of_file.iter().any(|told| told.name == setting.name);
        common.iter_mut().filter(is_told).for_each(|setting| setting.parts.clear());
        text += &list(&common);
        kinds.iter().filter(|kind| kind.identity.role == role).for_each(|kind| text += &format!("\n{}", own(kind)));
    }
    text
}

/// All about a kind.
pub(super) fn markdown(kind: &Kind<'_>) -> String {
    format!("{}\nEvery {} has these settings too:\n\n{}", own(kind), kind.identity.role, list(&kind.common_settings))
}

/// What it does not share with others.
fn own(kind: &Kind<'_>) -> String {
    let Identity { kind: name, role, doc, .. } = &kind.identity;
    let mut text = format!("### `{name}`\n\n{}\n*{role} of {}*\n", indented(doc, 0), kind.origin());
    text += &format!("\n```ron\n{}```\n", indented(&kind.example, 0));
    if !kind.settings.is_empty() {
        text += &format!("\n{}", list(&kind.settings));
    }
    if !kind.params_parts.is_empty() {
        text += &format!("\nThe params of its jobs:\n\n{}", parts(&kind.params_parts, 0));
    }
    text
}

fn list(settings: &[Setting]) -> String {
    let item = |setting: &Setting| {
        let doc = indented(setting.doc, 2);
        format!("* **`{}`**: *{}.* {}{}", setting.name, escaped(&setting.facts()), doc.trim_start(), parts(&setting.parts, 2))
    };
    settings.iter().map(item).collect()
}

fn parts(all: &[Part], by: usize) -> String {
    let part = |part: &Part| {
        let facts = if part.facts.is_empty() { String::new() } else { format!("*{}.* ", escaped(&part.facts)) };
        let doc = part.doc.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        let line = format!("{:by$}* `{}`: {facts}{doc}", "", part.name);
        format!("{}\n{}", line.trim_end_matches([' ', ':']), parts(&part.parts, by + 2))
    };
    all.iter().map(part).collect()
}

/// Facts are words, and here and there RON, in which a star or a bar would be taken for Markdown.
fn escaped(facts: &str) -> String {
    facts.replace('*', "\\*").replace('<', "\\<")
}
