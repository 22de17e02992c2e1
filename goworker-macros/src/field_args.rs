//! What the attributes of a field say: `#[config(..)]`, `#[state]`.

use syn::{Attribute, Expr, ExprRange, Meta};

use crate::entry::{Entry, entries};
use crate::faults::Faults;

/// What the attributes of one field say.
#[derive(Default)]
pub(crate) struct FieldArgs {
    /// The `default` of `#[config(..)]`.
    pub(crate) default: Option<DefaultArg>,
    /// The `range` of `#[config(..)]`.
    pub(crate) range: Option<ExprRange>,
    /// The `example` of `#[config(..)]`.
    pub(crate) example: Option<Expr>,
    /// Whether `#[config]` is there.
    pub(crate) config: bool,
    /// Whether `#[state]` is there.
    pub(crate) state: bool,
}

/// `default` or `default = ..`.
pub(crate) enum DefaultArg {
    /// The default of its type.
    OfType,
    /// This value.
    Value(Expr),
}

const CONFIG: &str = "`#[config]` knows `default`, `default = ..`, `range = ..` and `example = ..`";

/// Whether an attribute is for the macro alone: the compiler does not know it.
pub(crate) fn is_ours(attribute: &Attribute) -> bool {
    attribute.path().is_ident("config") || attribute.path().is_ident("state")
}

/// Whether `#[cfg_attr(.., config(..))]` would put one of ours there once the macro has run.
pub(crate) fn is_conditional(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else { return false };
    let words = || list.tokens.clone().into_iter();
    attribute.path().is_ident("cfg_attr") && words().any(|token| matches!(token.to_string().as_str(), "config" | "state"))
}

impl FieldArgs {
    pub(crate) fn parse(attributes: &[Attribute], faults: &mut Faults) -> Self {
        let mut args = FieldArgs::default();
        for attribute in attributes {
            if attribute.path().is_ident("state") {
                args.set_state(attribute, faults);
            } else if attribute.path().is_ident("config") {
                args.set_config(attribute, faults);
            } else if attribute.path().is_ident("cfg") {
                faults.at(attribute, "a setting is there always or never: put `#[cfg]` on the whole item");
            } else if is_conditional(attribute) {
                faults.at(attribute, "a setting is always the same: write `#[config(..)]` or `#[state]` without `cfg_attr`");
            }
        }
        args
    }

    fn set_state(&mut self, attribute: &Attribute, faults: &mut Faults) {
        match &attribute.meta {
            Meta::Path(_) if self.state => faults.at(attribute, "`#[state]` is given twice; keep one"),
            Meta::Path(_) => {}
            _ => faults.at(attribute, "`#[state]` takes nothing: the field starts as `Default::default()`; `init` can set it"),
        }
        self.state = true;
        self.refuse_both(attribute, faults);
    }

    fn set_config(&mut self, attribute: &Attribute, faults: &mut Faults) {
        if self.config {
            return faults.at(attribute, "`#[config]` is given twice; say all in one");
        }
        self.config = true;
        self.refuse_both(attribute, faults);
        let tokens = match &attribute.meta {
            Meta::Path(_) => return,
            Meta::List(list) => list.tokens.clone(),
            Meta::NameValue(_) => return faults.at(attribute, format_args!("write `#[config(..)]`; {CONFIG}")),
        };
        for entry in entries(tokens, CONFIG, faults) {
            match entry.key.to_string().as_str() {
                "default" => self.default = Some(entry.value.map_or(DefaultArg::OfType, DefaultArg::Value)),
                "range" => self.set_range(entry, faults),
                "example" => self.set_example(entry, faults),
                _ => entry.refuse(CONFIG, faults),
            }
        }
    }

    fn refuse_both(&self, attribute: &Attribute, faults: &mut Faults) {
        if self.config && self.state {
            faults.at(attribute, "a field is either a setting (`#[config]`) or not (`#[state]`); keep one");
        }
    }

    fn set_example(&mut self, Entry { key, value }: Entry, faults: &mut Faults) {
        match value {
            Some(value) => self.example = Some(value),
            None => faults.at(key, "`example` needs a value, as it is written in a config: `example = \"thumbnails\"`"),
        }
    }

    fn set_range(&mut self, Entry { key, value }: Entry, faults: &mut Faults) {
        match value {
            Some(Expr::Range(range)) => self.range = Some(range),
            Some(other) => faults.at(other, "`range` needs a range, such as `1..=100` or `1..`"),
            None => faults.at(key, "`range` needs a range: `range = 1..=100`"),
        }
    }
}
