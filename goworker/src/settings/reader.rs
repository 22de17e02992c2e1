//! Reads the fields of one config entry, or of one block in it, and notes every mistake.

use std::cell::RefCell;
use std::fmt::Debug;
use std::ops::RangeBounds;
use std::rc::Rc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::diagnostic::{Diagnostic, Severity, suggest};
use super::source::{SourceText, Span};
use super::value::{self, Fault};

/// What a setting can be: whatever serde and schemars can read and describe.
#[diagnostic::on_unimplemented(
    message = "a config cannot hold a `{Self}`",
    label = "not a type for a setting",
    note = "derive `serde::Deserialize` and `schemars::JsonSchema` for `{Self}`, or mark the field `#[state]`"
)]
pub trait Setting: DeserializeOwned + JsonSchema + 'static {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + JsonSchema + 'static> Setting for T {}

/// The fields of one config entry, taken one by one. What stays untaken is a mistake too.
#[derive(Debug)]
pub struct Reader<'a> {
    source: &'a SourceText<'a>,
    notes: Notes,
    /// Where the entry stands in the structure of the config.
    path: String,
    /// What a missing field is blamed on: the entry's kind, or the block's name.
    head: Span,
    fields: Vec<RawField<'a>>,
    /// The fields could not be told apart, so none is missed.
    is_broken: bool,
}

/// The mistakes noted so far, by all readers of one config.
pub(crate) type Notes = Rc<RefCell<Vec<Diagnostic>>>;

#[derive(Debug)]
struct RawField<'a> {
    name: String,
    name_span: Span,
    raw: &'a str,
    taken: bool,
}

impl<'a> Reader<'a> {
    /// Takes `raw`, `(name: value, ..)`, apart. `head` is what a missing field is blamed on.
    pub(crate) fn new(source: &'a SourceText<'a>, notes: Notes, path: String, head: Span, raw: &'a str) -> Self {
        let mut reader = Reader { source, notes, path, head, fields: Vec::new(), is_broken: false };
        match value::fields(source, raw) {
            Ok(fields) => fields.into_iter().for_each(|(name, raw)| reader.add(name, raw)),
            Err(fault) => {
                reader.is_broken = true;
                let path = reader.path.clone();
                reader.note_fault(path, fault);
            }
        }
        reader
    }

    fn add(&mut self, name: String, raw: &'a str) {
        let name_span = self.name_span(&name, raw);
        if let Some(first) = self.fields.iter().find(|field| field.name == name) {
            let (line, _) = self.source.position(first.name_span.start);
            self.error(
                &name,
                name_span,
                format!("`{name}` is given twice"),
                Some(format!("it is given first in line {line}; keep one of them")),
            );
            return;
        }
        self.fields.push(RawField { name, name_span, raw, taken: false });
    }

    /// The name stands before its value; RON does not tell where.
    fn name_span(&self, name: &str, raw: &str) -> Span {
        let value = self.source.span(raw).start;
        let start = self.source.text[..value].rfind(name).unwrap_or(value);
        start..start + name.len()
    }

    /// The field of that name, which has to be there. `None` if it is not or is wrong: the mistake is noted.
    pub fn required<T: Setting>(&mut self, name: &'static str) -> Option<T> {
        match self.take(name) {
            Some(raw) => self.value(name, raw),
            None => {
                self.missing(name);
                None
            }
        }
    }

    /// The field of that name, or `default()` if it is left out. `None` if it is wrong: the mistake is noted.
    pub fn optional<T: Setting>(&mut self, name: &'static str, default: impl FnOnce() -> T) -> Option<T> {
        match self.take(name) {
            Some(raw) => self.value(name, raw),
            None => {
                let mut value = default();
                value::resolve_paths(&mut value, &self.source.base);
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
        self.error(name, span, format!("`{name}` is {value:?}; {range:?} is allowed"), None);
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

    /// The raw text of a field.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a str> {
        let field = self.fields.iter_mut().find(|field| field.name == name)?;
        field.taken = true;
        Some(field.raw)
    }

    /// Reads a value; a mistake in it is noted at its place.
    fn value<T: DeserializeOwned + 'static>(&mut self, name: &str, raw: &'a str) -> Option<T> {
        match value::read::<T>(self.source, raw) {
            Ok(mut value) => {
                value::resolve_paths(&mut value, &self.source.base);
                Some(value)
            }
            Err(fault) => {
                self.note_fault(self.path_to(name), fault);
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

    /// Notes every field that nobody has taken. `known` are all that there are.
    pub(crate) fn finish(self, known: &[&str]) {
        for field in self.fields.iter().filter(|field| !field.taken) {
            let help = suggest(&field.name, "known here", known);
            self.error(&field.name, field.name_span.clone(), format!("unknown field `{}`", field.name), Some(help));
        }
    }

    /// The names of all fields.
    pub(crate) fn names(&self) -> Vec<String> {
        self.fields.iter().map(|field| field.name.clone()).collect()
    }

    /// Where the name of a field stands; the entry itself if it is not given.
    pub(crate) fn name_span_of(&self, name: &str) -> Span {
        self.fields.iter().find(|field| field.name == name).map_or(self.head.clone(), |field| field.name_span.clone())
    }

    /// Whether the fields could not even be told apart.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Where mistakes are noted.
    pub(crate) fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Notes a mistake in the value of a field.
    pub(crate) fn fault(&self, name: &str, fault: Fault) {
        self.note_fault(self.path_to(name), fault);
    }

    /// Where the value of a field stands; the entry itself if it is not given.
    pub(crate) fn value_span(&self, name: &str) -> Span {
        self.fields.iter().find(|field| field.name == name).map_or(self.head.clone(), |field| self.source.span(field.raw))
    }

    pub(crate) fn path_to(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(crate) fn error(&self, name: &str, span: Span, message: String, help: Option<String>) {
        self.note(Diagnostic::new(self.source, Severity::Error, &self.path_to(name), span, message, help));
    }

    pub(crate) fn warning(&self, name: &str, span: Span, message: String, help: Option<String>) {
        self.note(Diagnostic::new(self.source, Severity::Warning, &self.path_to(name), span, message, help));
    }

    fn note_fault(&self, path: String, fault: Fault) {
        let help = value::expected_words(&fault.error).map(|(found, known)| suggest(found, "known here", known));
        self.note(Diagnostic::new(self.source, Severity::Error, &path, fault.span, value::explain(&fault.error), help));
    }

    fn note(&self, diagnostic: Diagnostic) {
        self.notes.borrow_mut().push(diagnostic);
    }
}
