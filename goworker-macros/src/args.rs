//! What stands in the brackets: `#[provider(..)]`, `#[worker(..)]`, `#[config(..)]`, `#[state]`.

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Expr, ExprLit, ExprRange, Ident, Lit, LitStr, Meta, Token};

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
        for entry in entries(tokens, attribute.known(), faults) {
            match entry.key.to_string().as_str() {
                "name" => args.set_name(&entry, attribute, faults),
                "queue" => args.set_queue(&entry, attribute, faults),
                _ => entry.refuse(attribute.known(), faults),
            }
        }
        args
    }

    fn set_name(&mut self, Entry { key, value }: &Entry, attribute: Attribute, faults: &mut Faults) {
        match value {
            _ if self.name.is_some() => faults.at(key, "`name` is given twice; keep one"),
            Some(Expr::Lit(ExprLit { lit: Lit::Str(name), .. })) if is_kind(&name.value()) => self.name = Some(name.clone()),
            Some(Expr::Lit(ExprLit { lit: Lit::Str(name), .. })) => faults.at(name, format_args!("a name is {KIND}")),
            Some(other) => faults.at(other, "a name is a text: `name = \"..\"`"),
            None => faults.at(key, format_args!("`name` needs a value; {}", attribute.known())),
        }
    }

    fn set_queue(&mut self, Entry { key, value }: &Entry, attribute: Attribute, faults: &mut Faults) {
        match (attribute, value) {
            (Attribute::Worker, _) => faults.at(key, "a worker stores no jobs: `queue` belongs to `#[provider(queue)]`"),
            (Attribute::Provider, Some(value)) => faults.at(value, "`queue` takes no value: `#[provider(queue)]`"),
            (Attribute::Provider, None) if self.role == Role::Queue => faults.at(key, "`queue` is given twice; keep one"),
            (Attribute::Provider, None) => self.role = Role::Queue,
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
        for entry in entries(tokens, CONFIG, faults) {
            match entry.key.to_string().as_str() {
                "default" => self.set_default(entry, faults),
                "range" => self.set_range(entry, faults),
                _ => entry.refuse(CONFIG, faults),
            }
        }
    }

    fn refuse_both(&self, attribute: &syn::Attribute, faults: &mut Faults) {
        if self.config && self.state {
            faults.at(attribute, "a field is either a setting (`#[config]`) or not (`#[state]`); keep one");
        }
    }

    fn set_default(&mut self, Entry { key, value }: Entry, faults: &mut Faults) {
        if self.default.is_some() {
            return faults.at(key, "`default` is given twice; keep one");
        }
        self.default = Some(value.map_or(DefaultArg::OfType, DefaultArg::Value));
    }

    fn set_range(&mut self, Entry { key, value }: Entry, faults: &mut Faults) {
        match value {
            _ if self.range.is_some() => faults.at(key, "`range` is given twice; keep one"),
            Some(Expr::Range(range)) => self.range = Some(range),
            Some(other) => faults.at(other, "`range` needs a range, such as `1..=100` or `1..`"),
            None => faults.at(key, "`range` needs a range: `range = 1..=100`"),
        }
    }
}

/// One entry of a list in brackets: `key` or `key = value`.
struct Entry {
    key: Ident,
    value: Option<Expr>,
}

impl Entry {
    fn refuse(&self, known: &str, faults: &mut Faults) {
        faults.at(&self.key, format_args!("there is no `{}` here; {known}", self.key));
    }
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = input.call(Ident::parse_any).map_err(|error| syn::Error::new(error.span(), "expected a name"))?;
        let value = input.parse::<Option<Token![=]>>()?.map(|_| input.parse()).transpose()?;
        if input.is_empty() || input.peek(Token![,]) {
            Ok(Entry { key, value })
        } else {
            Err(input.error(format_args!("expected `{key} = ..` or a comma")))
        }
    }
}

/// The entries of a list; one that cannot be read does not hide those after it.
fn entries(tokens: TokenStream, known: &str, faults: &mut Faults) -> Vec<Entry> {
    let parser = |input: ParseStream<'_>| {
        let mut entries = Vec::new();
        while !input.is_empty() {
            match input.parse() {
                Ok(entry) => entries.push(entry),
                Err(error) => faults.note(syn::Error::new(error.span(), format_args!("{error}; {known}"))),
            }
            while input.parse::<Option<Token![,]>>()?.is_none() && !input.is_empty() {
                input.parse::<TokenTree>()?;
            }
        }
        Ok(entries)
    };
    parser.parse2(tokens).unwrap_or_else(|error| {
        faults.note(error);
        Vec::new()
    })
}
