//! A description for a person before a terminal.

use super::part::Part;
use super::setting::Setting;
use super::{Kind, indented};
use crate::cli::identity::Identity;
use crate::cli::terminal::{BOLD, DIM};

/// All about a kind.
pub(super) fn text(kind: &Kind<'_>) -> String {
    let Identity { kind: name, role, doc, .. } = &kind.identity;
    let mut text = format!("{BOLD}{name}{BOLD:#}  {role}  {DIM}{}{DIM:#}\n", kind.origin());
    text += &indented(doc, 0);
    text += &section("Settings", &kind.settings);
    text += &section(&format!("Settings of every {role}"), &kind.common_settings);
    if !kind.params_parts.is_empty() {
        text += &format!("\n{BOLD}Params of its jobs{BOLD:#}\n{}", parts(&kind.params_parts, 2));
    }
    text += &format!("\n{BOLD}Example{BOLD:#}\n{}", indented(&kind.example, 2));
    text
}

fn section(title: &str, settings: &[Setting]) -> String {
    if settings.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{BOLD}{title}{BOLD:#}\n");
    for setting in settings {
        text += &format!("  {BOLD}{}{BOLD:#}  {DIM}{}{DIM:#}\n{}", setting.name, setting.facts(), indented(setting.doc, 6));
        text += &parts(&setting.parts, 6);
    }
    text
}

fn parts(all: &[Part], by: usize) -> String {
    let part = |part: &Part| {
        let facts = if part.facts.is_empty() { String::new() } else { format!("  {DIM}{}{DIM:#}", part.facts) };
        format!("{:by$}{}{facts}\n{}{}", "", part.name, indented(&part.doc, by + 4), parts(&part.parts, by + 4))
    };
    all.iter().map(part).collect()
}
