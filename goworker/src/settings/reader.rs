//! Reads the fields of one config entry, or of one block in it, and notes every mistake.

use std::cell::RefCell;
use std::fmt::{self, Debug};
use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use super::Field;
use super::diagnostic::Diagnostic;
use super::fault::{Fault, expected_words, explain, joined};
use super::parts::{self, Part};
use super::passes::read;
use super::secret::may_hold_secret;
use super::source::{SourceText, Span};
use crate::remark::{Remark, Severity};
use crate::spelling::suggest;

/// What a setting can be: whatever serde and schemars can read and describe.
#[diagnostic::on_unimplemented(
    message = "a config cannot hold a `{Self}`",
    label = "not a type for a setting",
    note = "derive `serde::Deserialize` and `schemars::JsonSchema` for `{Self}`, or mark the field `#[state]`"
)]
pub trait Setting: DeserializeOwned + JsonSchema + 'static {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + JsonSchema + 'static> Setting for T {}

/// The way of the macros to a setting. The traits behind it are no part of it, so that a type which is no setting is told
/// once, at its own place.
#[diagnostic::on_unimplemented(
    message = "a config cannot hold a `{Self}`",
    label = "not a type for a setting",
    note = "derive `serde::Deserialize` and `schemars::JsonSchema` for `{Self}`, or mark the field `#[state]`"
)]
pub trait AsSetting: Sized {
    /// [`Field::new`].
    fn field(name: &'static str, rust_type: &'static str, doc: &'static str) -> Field;

    /// [`Reader::required`].
    fn required(reader: &mut Reader<'_>, name: &'static str) -> Option<Self>;

    /// [`Reader::optional`].
    fn optional(reader: &mut Reader<'_>, name: &'static str, default: impl FnOnce() -> Self) -> Option<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: Setting> AsSetting for T {
    fn field(name: &'static str, rust_type: &'static str, doc: &'static str) -> Field {
        Field::new::<T>(name, rust_type, doc)
    }

    fn required(reader: &mut Reader<'_>, name: &'static str) -> Option<T> {
        reader.required(name)
    }

    fn optional(reader: &mut Reader<'_>, name: &'static str, default: impl FnOnce() -> T) -> Option<T> {
        reader.optional(name, default)
    }
}

/// The fields of one config entry, taken one by one. What stays untaken is a mistake too.
pub struct Reader<'a> {
    source: &'a SourceText<'a>,
    notes: Notes,
    /// Where the entry stands in the structure of the config.
    path: String,
    /// What a missing field is blamed on: the entry's kind, or the block's name.
    head: Span,
    fields: Vec<RawField<'a>>,
    /// Not all fields could be told apart, so none is missed.
    is_broken: bool,
}

/// The fields may hold secrets.
impl Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The mistakes noted so far, by all readers of one config.
pub(crate) type Notes = Rc<RefCell<Vec<Diagnostic>>>;

struct RawField<'a> {
    part: Part<'a>,
    taken: bool,
}

impl<'a> Reader<'a> {
    /// Takes `raw`, `(name: value, ..)`, apart. `head` is what a missing field is blamed on.
    pub(crate) fn new(source: &'a SourceText<'a>, notes: Notes, path: String, head: Span, raw: &'a str) -> Self {
        let mut reader = Reader { source, notes, path, head, fields: Vec::new(), is_broken: source.is_broken(raw) };
        match parts::fields(source, raw) {
            Ok(fields) => fields.into_iter().for_each(|part| reader.add(part)),
            Err(fault) => {
                reader.is_broken = true;
                reader.note_fault(reader.path.clone(), fault);
            }
        }
        reader
    }

    fn add(&mut self, part: Part<'a>) {
        if part.is_bare {
            let message = format!("`{}` lacks its quotes", part.name);
            self.error(
                &part.name,
                part.name_span.clone(),
                message,
                Some(format!("write `\"{}\"`: names in `{{ .. }}` are text", part.name)),
            );
        }
        let Some(first) = self.field(&part.name) else {
            self.fields.push(RawField { part, taken: false });
            return;
        };
        let first = first.part.name_span.clone();
        let message = format!("`{}` is given twice", part.name);
        let diagnostic = self.diagnostic(Severity::Error, &part.name, part.name_span.clone(), message, Some(self.keep_one(&first)));
        self.note(diagnostic.and(first, "given first"));
    }

    /// The help for what is given twice.
    fn keep_one(&self, first: &Span) -> String {
        let (line, column) = self.source.position(first.start);
        format!("it is given first at {}:{line}:{column}; keep one of them", self.source.name)
    }

    fn field(&self, name: &str) -> Option<&RawField<'a>> {
        self.fields.iter().find(|field| field.part.name == name)
    }

    /// The field of that name, which has to be there. `None` if it is not or is wrong: the mistake is noted.
    pub fn required<T: Setting>(&mut self, name: &'static str) -> Option<T> {
        match self.take(name) {
            Some(raw) => self.setting(name, raw),
            None => {
                self.missing(name);
                None
            }
        }
    }

    /// The field of that name, or `default()` if it is left out. `None` if it is wrong: the mistake is noted.
    pub fn optional<T: Setting>(&mut self, name: &'static str, default: impl FnOnce() -> T) -> Option<T> {
        match self.take(name) {
            Some(raw) => self.setting(name, raw),
            None => {
                let mut value = default();
                resolve_paths(&mut value, &self.source.base);
                Some(value)
            }
        }
    }

    /// Passes `value` on if it is in `range`; otherwise notes the mistake at the field's value.
    pub fn within<T: PartialOrd + Debug>(&mut self, name: &'static str, value: Option<T>, range: impl RangeBounds<T> + Debug) -> Option<T> {
        let value = value?;
        if range.contains(&value) {
            return Some(value);
        }
        let span = self.value_span(name);
        // What the environment holds is not shown.
        let what = if self.source.is_foreign(&span) { "out of range".to_owned() } else { format!("{value:?}") };
        self.error(name, span, format!("`{name}` is {what}; {range:?} is allowed"), None);
        None
    }

    /// The field of that name, if it is given and right.
    pub(crate) fn given<T: DeserializeOwned + 'static>(&mut self, name: &str) -> Option<T> {
        let raw = self.take(name)?;
        self.value(name, raw)
    }

    /// A block in this entry, as a reader of its own. It has no fields if it is left out.
    pub(crate) fn block(&mut self, name: &str) -> Reader<'a> {
        let raw = self.take(name).unwrap_or_default();
        let head = self.name_span_of(name);
        Reader::new(self.source, Rc::clone(&self.notes), self.path_to(name), head, raw)
    }

    /// Whether there is a field of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// The raw text of a field.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a str> {
        let field = self.fields.iter_mut().find(|field| field.part.name == name)?;
        field.taken = true;
        Some(field.part.raw)
    }

    /// Reads a plugin's setting. If it cannot be read to its end, secrets in it were not come across yet.
    fn setting<T: DeserializeOwned + JsonSchema + 'static>(&mut self, name: &str, raw: &'a str) -> Option<T> {
        let value = self.value(name, raw);
        if value.is_none() && may_hold_secret(T::json_schema) {
            self.source.hide_literals(raw);
        }
        value
    }

    /// Notes that fields which nobody has taken may be misspelt secrets, of a plugin with these settings.
    pub(crate) fn hide_untaken(&self, schemas: impl IntoIterator<Item = fn(&mut SchemaGenerator) -> Schema>) {
        if schemas.into_iter().any(may_hold_secret) {
            self.fields.iter().filter(|field| !field.taken).for_each(|field| self.source.hide_literals(field.part.raw));
        }
    }

    /// Reads a value; a mistake in it is noted at its place.
    fn value<T: DeserializeOwned + 'static>(&mut self, name: &str, raw: &'a str) -> Option<T> {
        match read::<T>(self.source, raw) {
            Ok(mut value) => {
                resolve_paths(&mut value, &self.source.base);
                Some(value)
            }
            Err(faults) => {
                faults.into_iter().for_each(|fault| self.fault(name, fault));
                None
            }
        }
    }

    /// Notes that a field has to be given.
    pub(crate) fn missing(&mut self, name: &str) {
        if !self.is_broken {
            let head = self.head.clone();
            self.error(name, head, format!("`{name}` is missing"), Some(format!("add `{name}: ..`")));
        }
    }

    /// Notes every field that nobody has taken. `known` are all that there are; `home` tells where else a name belongs.
    pub(crate) fn finish(self, known: &[&str], home: impl Fn(&str) -> Option<&'static str>) {
        for RawField { part, .. } in self.fields.iter().filter(|field| !field.taken) {
            let help = match home(&part.name) {
                Some(home) => format!("`{}` belongs to {home}", part.name),
                None => suggest(&part.name, "known here", known),
            };
            self.error(&part.name, part.name_span.clone(), format!("unknown field `{}`", part.name), Some(help));
        }
    }

    /// The names of all fields.
    pub(crate) fn names(&self) -> Vec<String> {
        self.fields.iter().map(|field| field.part.name.clone()).collect()
    }

    /// Where the name of a field stands; the entry itself if it is not given.
    pub(crate) fn name_span_of(&self, name: &str) -> Span {
        self.field(name).map_or(self.head.clone(), |field| field.part.name_span.clone())
    }

    /// Whether not all fields could be told apart.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Where mistakes are noted.
    pub(crate) fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Notes a mistake in the value of a field.
    pub(crate) fn fault(&self, name: &str, fault: Fault) {
        self.note_fault(joined(&self.path_to(name), &fault.path), fault);
    }

    /// Where the value of a field stands; the entry itself if it is not given.
    pub(crate) fn value_span(&self, name: &str) -> Span {
        self.field(name).map_or(self.head.clone(), |field| self.source.span(field.part.raw))
    }

    /// Where the value of `inner` stands in the value of a field, `name: (inner: ..)` or `name: variant(inner: ..)`; that of
    /// the field if it has none.
    pub(crate) fn place_in(&self, name: &str, inner: &str) -> Span {
        let brackets = self.field(name).and_then(|field| field.part.raw.find('(').map(|open| &field.part.raw[open..]));
        let inside = brackets.and_then(|raw| parts::fields(self.source, raw).ok()).unwrap_or_default();
        inside.iter().find(|part| part.name == inner).map_or_else(|| self.value_span(name), |part| self.source.span(part.raw))
    }

    pub(crate) fn path_to(&self, name: &str) -> String {
        joined(&self.path, name)
    }

    /// Notes what a plugin says of its settings.
    pub(crate) fn remark(&self, Remark { severity, setting, message, help }: Remark) {
        self.note(self.diagnostic(severity, setting, self.value_span(setting), message, help));
    }

    pub(crate) fn error(&self, name: &str, span: Span, message: String, help: Option<String>) {
        self.note(self.diagnostic(Severity::Error, name, span, message, help));
    }

    pub(crate) fn warning(&self, name: &str, span: Span, message: String, help: Option<String>) {
        self.note(self.diagnostic(Severity::Warning, name, span, message, help));
    }

    fn diagnostic(&self, severity: Severity, name: &str, span: Span, message: String, help: Option<String>) -> Diagnostic {
        Diagnostic::new(self.source, severity, &self.path_to(name), span, message, help)
    }

    fn note_fault(&self, path: String, fault: Fault) {
        let help = match (expected_words(&fault.error), &fault.first) {
            (_, Some(first)) => Some(self.keep_one(first)),
            (Some((found, known)), None) => Some(suggest(found, "known here", known)),
            (None, None) => misread(&self.source.text[fault.span.clone()]),
        };
        let diagnostic = Diagnostic::new(self.source, Severity::Error, &path, fault.span, explain(&fault.error), help);
        self.note(match fault.first {
            Some(first) => diagnostic.and(*first, "given first"),
            None => diagnostic,
        });
    }

    fn note(&self, diagnostic: Diagnostic) {
        self.notes.borrow_mut().push(diagnostic);
    }
}

/// `Env("X")` looks like a value of RON, and is none here.
fn misread(raw: &str) -> Option<String> {
    let (word, _) = raw.split_once('(')?;
    let lower = word.trim().to_lowercase();
    let is_meant = word.trim() != lower && matches!(lower.as_str(), "env" | "secret");
    is_meant.then(|| format!("write `{lower}(..)`, in lower case"))
}

/// Makes the paths in a value absolute, if its type is that of a path.
fn resolve_paths<T: 'static>(value: &mut T, base: &Path) {
    let value: &mut dyn std::any::Any = value;
    if let Some(path) = value.downcast_mut::<PathBuf>() {
        *path = base.join(&*path);
    } else if let Some(Some(path)) = value.downcast_mut::<Option<PathBuf>>() {
        *path = base.join(&*path);
    } else if let Some(paths) = value.downcast_mut::<Vec<PathBuf>>() {
        paths.iter_mut().for_each(|path| *path = base.join(&*path));
    }
}
