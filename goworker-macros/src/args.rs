//! What stands in the brackets of `#[provider(..)]` and `#[worker(..)]`.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, ExprLit, ExprPath, Ident, Lit, LitStr, Path, parse_quote};

use crate::entry::{Entry, entries};
use crate::faults::Faults;

/// The attribute that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attribute {
    Provider,
    Worker,
}

/// What the item becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Provider,
    Queue,
    Worker,
}

impl Attribute {
    /// Where it goes.
    pub(crate) fn place(self) -> &'static str {
        match self {
            Attribute::Provider => "`#[provider]` goes on a struct",
            Attribute::Worker => "`#[worker]` goes on a struct or a function",
        }
    }

    fn known(self) -> &'static str {
        match self {
            Attribute::Provider => "`#[provider]` knows `queue`, `name`, `since`, `stability` and `crate`",
            Attribute::Worker => "`#[worker]` knows `name`, `params`, `since`, `stability` and `crate`",
        }
    }
}

/// The arguments of `#[provider(..)]` or `#[worker(..)]`.
pub(crate) struct Args {
    pub(crate) role: Role,
    pub(crate) name: Option<LitStr>,
    /// The type of the jobs' params.
    pub(crate) params: Option<TokenStream>,
    pub(crate) since: Option<LitStr>,
    /// A variant of `Stability`.
    pub(crate) stability: Option<Ident>,
    /// What goworker is called in the user's crate.
    pub(crate) goworker: Path,
}

impl Args {
    pub(crate) fn parse(attribute: Attribute, tokens: TokenStream, faults: &mut Faults) -> Self {
        let mut args = Args {
            role: match attribute {
                Attribute::Provider => Role::Provider,
                Attribute::Worker => Role::Worker,
            },
            name: None,
            params: None,
            since: None,
            stability: None,
            goworker: parse_quote!(::goworker),
        };
        for entry in entries(tokens, attribute.known(), faults) {
            match (entry.key.to_string().as_str(), attribute) {
                ("name", _) => args.set_name(&entry, faults),
                ("queue", Attribute::Provider) => args.set_queue(&entry, faults),
                ("queue", Attribute::Worker) => {
                    faults.at(&entry.key, "a worker stores no jobs: `queue` belongs to `#[provider(queue)]`");
                }
                ("params", Attribute::Worker) => args.set_params(&entry, faults),
                ("params", Attribute::Provider) => {
                    faults.at(&entry.key, "a provider runs no jobs: `params` belongs to `#[worker(params = ..)]`");
                }
                ("since", _) => args.set_since(&entry, faults),
                ("stability", _) => args.set_stability(&entry, faults),
                ("crate", _) => args.set_crate(&entry, faults),
                _ => entry.refuse(attribute.known(), faults),
            }
        }
        args
    }

    fn set_name(&mut self, Entry { key, value }: &Entry, faults: &mut Faults) {
        match value {
            Some(Expr::Lit(ExprLit { lit: Lit::Str(name), .. })) if is_kind(&name.value()) => self.name = Some(name.clone()),
            Some(Expr::Lit(ExprLit { lit: Lit::Str(name), .. })) => faults.at(name, format_args!("a name is {KIND}")),
            wrong => faults.at(at(key, wrong), "a name is a text: `name = \"..\"`"),
        }
    }

    fn set_queue(&mut self, Entry { value, .. }: &Entry, faults: &mut Faults) {
        self.role = Role::Queue;
        if let Some(value) = value {
            faults.at(value, "`queue` takes no value: `#[provider(queue)]`");
        }
    }

    fn set_params(&mut self, Entry { key, value }: &Entry, faults: &mut Faults) {
        self.params = value.as_ref().map(ToTokens::to_token_stream);
        if value.is_none() {
            faults.at(key, "`params` is a type: `params = ..`");
        }
    }

    fn set_since(&mut self, Entry { key, value }: &Entry, faults: &mut Faults) {
        match value {
            Some(Expr::Lit(ExprLit { lit: Lit::Str(since), .. })) if !since.value().trim().is_empty() => self.since = Some(since.clone()),
            wrong => faults.at(at(key, wrong), "`since` is a version of this crate: `since = \"1.2.0\"`"),
        }
    }

    fn set_stability(&mut self, Entry { key, value }: &Entry, faults: &mut Faults) {
        let word = match value {
            Some(Expr::Path(ExprPath { path, .. })) => path.get_ident(),
            _ => None,
        };
        let variant = word.and_then(|word| match word.to_string().as_str() {
            "stable" => Some(Ident::new("Stable", word.span())),
            "experimental" => Some(Ident::new("Experimental", word.span())),
            "deprecated" => Some(Ident::new("Deprecated", word.span())),
            _ => None,
        });
        if variant.is_none() {
            faults.at(at(key, value), "`stability` is one of `stable`, `experimental`, `deprecated`");
        }
        self.stability = variant;
    }

    fn set_crate(&mut self, Entry { key, value }: &Entry, faults: &mut Faults) {
        match value {
            Some(Expr::Path(ExprPath { path, qself: None, .. })) => self.goworker = path.clone(),
            wrong => faults.at(at(key, wrong), "`crate` is what goworker is called in Cargo.toml: `crate = gw`"),
        }
    }
}

/// Where a wrong value is shown: at its key, if it is not there.
fn at(key: &Ident, value: &Option<Expr>) -> TokenStream {
    value.as_ref().map_or_else(|| key.to_token_stream(), ToTokens::to_token_stream)
}

/// What a kind may look like: it is an identifier in RON.
pub(crate) const KIND: &str = "written in lower case: `a` to `z`, then also `0` to `9` and `_`";

/// Whether a config can name a kind so.
pub(crate) fn is_kind(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
