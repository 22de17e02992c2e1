//! GoWorker's JSON, read as Go read it, with the place of everything in it.
//!
//! Go takes names of any case, the last of two with the same name, and `null` for nothing. What it passed over without a word, an
//! unknown name or a value of another type, is told here.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::remark::Severity;
use crate::settings::{Diagnostic, SourceText, Span, did_you_mean};

/// The file, and what was noted of it.
pub(super) struct Document<'a> {
    source: &'a SourceText<'a>,
    pub(super) notes: RefCell<Vec<Diagnostic>>,
}

impl<'a> Document<'a> {
    pub(super) fn new(source: &'a SourceText<'a>) -> Self {
        Document { source, notes: RefCell::default() }
    }

    /// The object that the file is; `None` if it is none, which is noted.
    pub(super) fn top(self: &Rc<Self>) -> Option<Object<'a>> {
        match serde_json::from_str::<&RawValue>(self.source.text) {
            Ok(raw) => Object::of(Rc::clone(self), String::new(), raw.get()),
            Err(error) => {
                let at = self.source.offset(error.line(), error.column());
                let is_new = self.source.text.trim_start().starts_with(['(', '#', '/']);
                let help = is_new.then(|| {
                    "`import` reads the JSON of GoWorker; this seems to be a configuration already, which `check` reads".to_owned()
                });
                self.note(Severity::Error, "", at..at + 1, format!("this is no JSON: {}", reason(&error)), help);
                None
            }
        }
    }

    pub(super) fn note(&self, severity: Severity, path: &str, span: Span, message: String, help: Option<String>) {
        self.notes.borrow_mut().push(Diagnostic::new(self.source, severity, path, span, message, help));
    }
}

/// The message of `serde_json` without the place, which it appends.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// An object of the file.
pub(super) struct Object<'a> {
    document: Rc<Document<'a>>,
    /// Where it is: `providers[0].redis`.
    pub(super) path: String,
    pub(super) raw: &'a str,
    fields: Vec<Field<'a>>,
}

/// A name and its value.
pub(super) struct Field<'a> {
    pub(super) name: String,
    pub(super) raw: &'a str,
    is_taken: Cell<bool>,
}

impl<'a> Object<'a> {
    /// The object behind a value; `None` if it is something else, which is noted.
    pub(super) fn of(document: Rc<Document<'a>>, path: String, raw: &'a str) -> Option<Self> {
        match serde_json::from_str::<Pairs<'a>>(raw) {
            Ok(Pairs(pairs)) => {
                let field = |(name, raw): (String, &'a RawValue)| Field { name, raw: raw.get(), is_taken: Cell::new(false) };
                let object = Object { document, path, raw, fields: pairs.into_iter().map(field).collect() };
                object.tell_twice();
                Some(object)
            }
            Err(_) => {
                document.note(Severity::Error, &path, document.source.span(raw), "expected an object: `{ .. }`".to_owned(), None);
                None
            }
        }
    }

    fn tell_twice(&self) {
        for (at, field) in self.fields.iter().enumerate() {
            if self.fields[at + 1..].iter().any(|later| later.name.eq_ignore_ascii_case(&field.name)) {
                field.is_taken.set(true);
                let message = format!("`{}` is given twice; as in GoWorker, the last one counts", field.name);
                self.document.note(Severity::Warning, &self.path_to(&field.name), self.name_span(field), message, None);
            }
        }
    }

    /// The value of that name, if it is given and not `null`.
    fn take(&self, name: &str) -> Option<&Field<'a>> {
        let field = self.fields.iter().rfind(|field| field.name.eq_ignore_ascii_case(name))?;
        field.is_taken.set(true);
        (field.raw != "null").then_some(field)
    }

    /// All that is in it, as in an object whose names mean something.
    pub(super) fn fields(&self) -> &[Field<'a>] {
        &self.fields
    }

    /// Text that is not empty, which was the same as none. Go would not have taken a number for it, but what is meant is plain.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let field = self.take(name)?;
        let number = || serde_json::from_str::<serde_json::Number>(field.raw).map(|number| number.to_string());
        self.read(field, "text in quotes", || serde_json::from_str(field.raw).or_else(|_| number()).ok()).filter(|text| !text.is_empty())
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        let field = self.take(name)?;
        self.read(field, "a number", || serde_json::from_str(field.raw).ok())
    }

    pub(super) fn count(&self, name: &str) -> Option<u64> {
        let field = self.take(name)?;
        self.read(field, "a whole number", || serde_json::from_str(field.raw).ok())
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.take(name).and_then(|field| self.read(field, "`true` or `false`", || serde_json::from_str(field.raw).ok())).unwrap_or_default()
    }

    /// The objects of a list, each with its path.
    pub(super) fn list(&self, name: &str) -> Vec<Object<'a>> {
        let Some(field) = self.take(name) else { return Vec::new() };
        let read = || serde_json::from_str::<Vec<&'a RawValue>>(field.raw).ok();
        let elements = self.read(field, "a list: `[{\"redis\": {..}}, ..]`", read).unwrap_or_default();
        let object = |(at, raw): (usize, &'a RawValue)| Object::of(Rc::clone(&self.document), format!("{name}[{at}]"), raw.get());
        elements.into_iter().enumerate().filter_map(object).collect()
    }

    /// The object of a field of this one.
    pub(super) fn inner(&self, field: &Field<'a>) -> Option<Object<'a>> {
        field.is_taken.set(true);
        Object::of(Rc::clone(&self.document), self.path_to(&field.name), if field.raw == "null" { "{}" } else { field.raw })
    }

    fn read<T>(&self, field: &Field<'a>, what: &str, read: impl FnOnce() -> Option<T>) -> Option<T> {
        let value = read();
        if value.is_none() {
            let span = self.document.source.span(field.raw);
            self.document.note(Severity::Error, &self.path_to(&field.name), span, format!("expected {what}"), None);
        }
        value
    }

    /// Something about a field that the reader has to see to: at its value, or at the object if it is not given.
    pub(super) fn warn(&self, name: &str, message: impl Into<String>, help: Option<String>) {
        self.say(Severity::Warning, name, message.into(), help);
    }

    /// Something about a field that cannot be taken over.
    pub(super) fn refuse(&self, name: &str, message: impl Into<String>, help: Option<String>) {
        self.say(Severity::Error, name, message.into(), help);
    }

    fn say(&self, severity: Severity, name: &str, message: String, help: Option<String>) {
        let field = self.fields.iter().rfind(|field| field.name.eq_ignore_ascii_case(name));
        let span = field.map_or_else(|| self.head(), |field| self.document.source.span(field.raw));
        let path = if name.is_empty() { self.path.clone() } else { self.path_to(name) };
        self.document.note(severity, &path, span, message, help);
    }

    /// The names that nobody has taken, each told. GoWorker knew `known`.
    pub(super) fn unknown(&self, known: &[&str]) -> Vec<&Field<'a>> {
        let unknown: Vec<&Field<'a>> = self.fields.iter().filter(|field| !field.is_taken.get()).collect();
        for field in &unknown {
            let message = format!("GoWorker knew no `{}` here and passed over it; it is left out", field.name);
            let help = did_you_mean(&field.name, known.iter().copied());
            self.document.note(Severity::Warning, &self.path_to(&field.name), self.name_span(field), message, help);
        }
        unknown
    }

    /// The bracket that it begins with.
    fn head(&self) -> Span {
        let start = self.document.source.span(self.raw).start;
        start..start + 1
    }

    /// Where a name stands: before its value. If it is written in an unusual way, the value stands for it.
    fn name_span(&self, field: &Field<'_>) -> Span {
        let value = self.document.source.span(field.raw);
        let before = self.document.source.text[..value.start].trim_end().trim_end_matches(':').trim_end();
        let written = format!("\"{}\"", field.name);
        if before.ends_with(&written) { before.len() - written.len()..before.len() } else { value }
    }

    pub(super) fn path_to(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

/// What an object holds, in its order and with all that is given twice.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                std::iter::from_fn(|| map.next_entry().transpose()).collect()
            }
        }

        deserializer.deserialize_map(Entries).map(Pairs)
    }
}
