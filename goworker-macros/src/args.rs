//! What stands in the brackets: `#[provider(..)]`, `#[worker(..)]`, `#[config(..)]`, `#[state]`.

use proc_macro2::TokenStream;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, ExprRange, Lit, LitStr, Meta, Path, Token};

use crate::faults::Faults;

/// The attribute that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attribute {
    Provider,
    Worker,
}

/// What the struct becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Provider,
    Queue,
    Worker,
}

impl Attribute {
    /// The attribute as written.
    pub(crate) fn written(self) -> &'static str {
        match self {
            Attribute::Provider => "#[provider]",
            Attribute::Worker => "#[worker]",
        }
    }

    fn known(self) -> &'static str {
        match self {
            Attribute::Provider => "`#[provider]` knows `queue` and `name = \"..\"`",
            Attribute::Worker => "`#[worker]` knows `name = \"..\"`",
        }
    }
}

/// The arguments of `#[provider(..)]` or `#[worker(..)]`.
pub(crate) struct Args {
    pub(crate) role: Role,
    pub(crate) name: Option<LitStr>,
}

impl Args {
    pub(crate) fn parse(attribute: Attribute, tokens: TokenStream, faults: &mut Faults) -> Self {
        let mut args = Args {
            role: match attribute {
                Attribute::Provider => Role::Provider,
                Attribute::Worker => Role::Worker,
            },
            name: None,
        };
        for meta in list(tokens, attribute.known(), faults) {
            if meta.path().is_ident("name") {
                args.set_name(&meta, attribute, faults);
            } else if meta.path().is_ident("queue") {
                args.set_queue(&meta, attribute, faults);
            } else {
                unknown(meta.path(), attribute.known(), faults);
            }
        }
        args
    }

    fn set_name(&mut self, meta: &Meta, attribute: Attribute, faults: &mut Faults) {
        match value(meta) {
            _ if self.name.is_some() => faults.at(meta.path(), "`name` is given twice; keep one"),
            Some(Expr::Lit(ExprLit { lit: Lit::Str(name), .. })) if is_kind(&name.value()) => self.name = Some(name.clone()),
            Some(Expr::Lit(ExprLit { lit: Lit::Str(name), .. })) => faults.at(name, format_args!("a name is {KIND}")),
            _ => faults.at(meta, format_args!("`name` needs a text: `{}`", attribute.written().replace(']', "(name = \"..\")]"))),
        }
    }

    fn set_queue(&mut self, meta: &Meta, attribute: Attribute, faults: &mut Faults) {
        match (attribute, meta) {
            (Attribute::Worker, _) => faults.at(meta, "a worker stores no jobs: `queue` belongs to `#[provider(queue)]`"),
            (Attribute::Provider, Meta::Path(path)) if self.role == Role::Queue => faults.at(path, "`queue` is given twice; keep one"),
            (Attribute::Provider, Meta::Path(_)) => self.role = Role::Queue,
            (Attribute::Provider, other) => faults.at(other, "`queue` takes nothing: `#[provider(queue)]`"),
        }
    }
}

/// What a kind may look like: it is an identifier in RON.
pub(crate) const KIND: &str = "written in lower case: `a` to `z`, then also `0` to `9` and `_`";

/// Whether a config can name a kind so.
pub(crate) fn is_kind(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// What the attributes of one field say.
#[derive(Default)]
pub(crate) struct FieldArgs {
    /// The `default` of `#[config(..)]`.
    pub(crate) default: Option<DefaultArg>,
    /// The `range` of `#[config(..)]`.
    pub(crate) range: Option<ExprRange>,
    /// Whether `#[config]` is there.
    config: bool,
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

const CONFIG: &str = "`#[config]` knows `default`, `default = ..` and `range = ..`";

impl FieldArgs {
    pub(crate) fn parse(attributes: &[syn::Attribute], faults: &mut Faults) -> Self {
        let mut args = FieldArgs::default();
        for attribute in attributes {
            if attribute.path().is_ident("state") {
                args.set_state(attribute, faults);
            } else if attribute.path().is_ident("config") {
                args.set_config(attribute, faults);
            } else if attribute.path().is_ident("cfg") {
                faults.at(attribute, "a field is there always or never: put `#[cfg]` on the whole struct");
            }
        }
        args
    }

    fn set_state(&mut self, attribute: &syn::Attribute, faults: &mut Faults) {
        match &attribute.meta {
            Meta::Path(_) if self.state => faults.at(attribute, "`#[state]` is given twice; keep one"),
            Meta::Path(_) => {}
            _ => faults.at(attribute, "`#[state]` takes nothing: the field starts as `Default::default()`; `init` can set it"),
        }
        self.state = true;
        self.refuse_both(attribute, faults);
    }

    fn set_config(&mut self, attribute: &syn::Attribute, faults: &mut Faults) {
        self.config = true;
        self.refuse_both(attribute, faults);
        let tokens = match &attribute.meta {
            Meta::Path(_) => return,
            Meta::List(list) => list.tokens.clone(),
            Meta::NameValue(_) => return faults.at(attribute, format_args!("write `#[config(..)]`; {CONFIG}")),
        };
        for meta in list(tokens, CONFIG, faults) {
            if meta.path().is_ident("default") {
                self.set_default(&meta, faults);
            } else if meta.path().is_ident("range") {
                self.set_range(&meta, faults);
            } else {
                unknown(meta.path(), CONFIG, faults);
            }
        }
    }

    fn refuse_both(&self, attribute: &syn::Attribute, faults: &mut Faults) {
        if self.config && self.state {
            faults.at(attribute, "a field is either a setting (`#[config]`) or not (`#[state]`); keep one");
        }
    }

    fn set_default(&mut self, meta: &Meta, faults: &mut Faults) {
        if self.default.is_some() {
            return faults.at(meta.path(), "`default` is given twice; keep one");
        }
        match (meta, value(meta)) {
            (_, Some(value)) => self.default = Some(DefaultArg::Value(value.clone())),
            (Meta::Path(_), _) => self.default = Some(DefaultArg::OfType),
            _ => faults.at(meta, "write `default = ..`, or `default` for the default of the type"),
        }
    }

    fn set_range(&mut self, meta: &Meta, faults: &mut Faults) {
        match value(meta) {
            _ if self.range.is_some() => faults.at(meta.path(), "`range` is given twice; keep one"),
            Some(Expr::Range(range)) => self.range = Some(range.clone()),
            Some(other) => faults.at(other, "`range` needs a range, such as `1..=100` or `1..`"),
            None => faults.at(meta, "`range` needs a range: `range = 1..=100`"),
        }
    }
}

/// The entries of a comma-separated list; what comes after a fault of syntax is lost.
fn list(tokens: TokenStream, known: &str, faults: &mut Faults) -> Punctuated<Meta, Token![,]> {
    Punctuated::parse_terminated.parse2(tokens).unwrap_or_else(|error| {
        faults.note(syn::Error::new(error.span(), format_args!("{error}; {known}")));
        Punctuated::new()
    })
}

fn value(meta: &Meta) -> Option<&Expr> {
    match meta {
        Meta::NameValue(pair) => Some(&pair.value),
        _ => None,
    }
}

fn unknown(path: &Path, known: &str, faults: &mut Faults) {
    faults.at(path, format_args!("there is no `{}` here; {known}", crate::text::text(path)));
}
