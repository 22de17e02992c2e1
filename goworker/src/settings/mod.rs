//! The settings of a plugin: what there is to set, and how one entry of a config file is read into them.
//!
//! `#[provider]` and `#[worker]` implement [`Settings`] for the config struct that they generate. Fields are read one
//! by one, so that one run tells all mistakes, each at its own place.

mod access;
mod diagnostic;
mod fault;
mod json;
mod mask;
mod nodes;
mod parts;
mod passes;
mod queue_name;
mod reader;
mod secret;
pub(crate) mod shown;
mod source;
mod stand_in;
mod tokens;
mod value;

use schemars::{JsonSchema, Schema, SchemaGenerator};

pub(crate) use crate::spelling::{did_you_mean, suggest};
pub(crate) use fault::{Fault, explain};
pub(crate) use json::to_json;
pub(crate) use mask::Masked;
pub(crate) use parts::{elements, extensions, fields};
pub(crate) use passes::read;
pub(crate) use queue_name::names_queue;
pub(crate) use reader::Notes;
pub(crate) use source::{Readable, SourceText, Span, Variables, process_variables};
pub(crate) use tokens::{Kind, Unbalanced, pairs, tokens, unclosed_text};

pub use crate::remark::Severity;
pub use diagnostic::{Diagnostic, Report};
pub use queue_name::QueueName;
#[doc(hidden)]
pub use reader::AsSetting;
pub use reader::{Reader, Setting};
pub use secret::Secret;

/// A struct that can be read from the fields of a config entry, `kind(field: value, ..)`.
pub trait Settings: Sized {
    /// What there is to set, in the order of the struct.
    fn fields() -> Vec<Field>;

    /// Reads the fields; `None` if there was a mistake, which `reader` has noted with its place.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
}

/// One setting, for `describe`, for the schema and for "did you mean".
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name in the config.
    pub name: &'static str,
    /// Its doc comment.
    pub doc: &'static str,
    /// The Rust type, as written.
    pub rust_type: &'static str,
    /// The value if it is left out, as RON; `None` if it has to be given.
    pub default: Option<String>,
    /// The values allowed, as written in the attribute.
    pub range: Option<&'static str>,
    /// A value to start from, as RON: for one that has to be given.
    pub example: Option<&'static str>,
    /// The JSON Schema of its type.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Field {
    /// A setting of type `T` that has to be given.
    pub fn new<T: JsonSchema>(name: &'static str, rust_type: &'static str, doc: &'static str) -> Self {
        Field { name, doc, rust_type, default: None, range: None, example: None, schema: T::json_schema }
    }

    /// The value that holds if it is left out.
    #[must_use]
    pub fn or(mut self, default: impl Into<String>) -> Self {
        self.default = Some(default.into());
        self
    }

    /// A value to start from.
    #[must_use]
    pub fn example(mut self, example: &'static str) -> Self {
        self.example = Some(example);
        self
    }

    /// The values that are allowed.
    #[must_use]
    pub fn within(mut self, range: &'static str) -> Self {
        self.range = Some(range);
        self
    }
}
