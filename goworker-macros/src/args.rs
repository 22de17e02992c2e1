//! What stands in the brackets: `#[worker(name = "..")]`, `#[config(default = .., range = ..)]`.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, LitStr};

use crate::component::Kind;

/// Collects faults, so that one compile tells them all.
#[derive(Default)]
pub(crate) struct Faults(Option<Error>);

impl Faults {
    pub(crate) fn at(&mut self, place: impl ToTokens, message: impl std::fmt::Display) {
        self.add(Error::new_spanned(place, message));
    }

    pub(crate) fn add(&mut self, error: Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.map(|error| error.to_compile_error()).unwrap_or_default()
    }
}

/// The arguments of `#[worker(..)]` or `#[provider(..)]`.
#[derive(Default)]
pub(crate) struct KindArgs {
    pub(crate) name: Option<LitStr>,
    pub(crate) queue: bool,
}

impl KindArgs {
    pub(crate) fn parse(kind: Kind, tokens: TokenStream, faults: &mut Faults) -> Self {
        let mut args = KindArgs::default();
        let parser = syn::meta::parser(|meta: ParseNestedMeta| {
            if meta.path.is_ident("name") {
                let name: LitStr = meta.value()?.parse()?;
                if args.name.is_some() {
                    faults.at(&meta.path, "`name` is given twice");
                } else if !is_kind_name(&name.value()) {
                    faults.at(&name, "a kind's name is lower case: a-z, 0-9, `_` and `-`, beginning with a letter");
                } else {
                    args.name = Some(name);
                }
            } else if meta.path.is_ident("queue") && kind == Kind::Provider {
                if args.queue {
                    faults.at(&meta.path, "`queue` is given twice");
                }
                args.queue = true;
            } else if meta.path.is_ident("queue") {
                faults.at(&meta.path, "only a provider can be a queue: `#[provider(queue)]`");
            } else {
                faults.at(&meta.path, format!("there is no such argument; known are {}", kind.known_arguments()));
                skip_value(&meta)?;
            }
            Ok(())
        });
        if let Err(error) = parser.parse2(tokens) {
            faults.add(error);
        }
        args
    }
}

fn is_kind_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
}

/// What `#[config(..)]` says of a field.
#[derive(Default)]
pub(crate) struct ConfigArgs {
    pub(crate) default: Option<DefaultValue>,
    pub(crate) range: Option<Expr>,
}

/// What holds if a setting is left out.
pub(crate) enum DefaultValue {
    /// `#[config(default)]`: the type's own.
    OfType,
    /// `#[config(default = expr)]`
    Value(Expr),
}

impl ConfigArgs {
    pub(crate) fn parse(&mut self, attribute: &Attribute, faults: &mut Faults) {
        let result = attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("default") {
                let value =
                    if meta.input.peek(syn::Token![=]) { DefaultValue::Value(meta.value()?.parse()?) } else { DefaultValue::OfType };
                if self.default.replace(value).is_some() {
                    faults.at(&meta.path, "`default` is given twice");
                }
            } else if meta.path.is_ident("range") {
                let range: Expr = meta.value()?.parse()?;
                if !matches!(range, Expr::Range(_)) {
                    faults.at(&range, "a range is written `1..=100`");
                } else if self.range.is_some() {
                    faults.at(&meta.path, "`range` is given twice");
                } else {
                    self.range = Some(range);
                }
            } else {
                faults.at(
                    &meta.path,
                    "there is no such key; known are `default` and `range`, as in `#[config(default = 85, range = 1..=100)]`",
                );
                skip_value(&meta)?;
            }
            Ok(())
        });
        if let Err(error) = result {
            faults.add(error);
        }
    }
}

/// Steps over the value of an unknown key, so that what follows is still read.
fn skip_value(meta: &ParseNestedMeta) -> syn::Result<()> {
    if meta.input.peek(syn::Token![=]) {
        meta.value()?.parse::<Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        meta.parse_nested_meta(|inner| skip_value(&inner))?;
    }
    Ok(())
}

/// `#[state]` takes nothing.
pub(crate) fn check_state(attribute: &Attribute, faults: &mut Faults) {
    if let Err(error) = attribute.meta.require_path_only() {
        faults.add(Error::new(
            error.span().join(attribute.span()).unwrap_or(error.span()),
            "`#[state]` takes no arguments: the field begins as its type's default",
        ));
    }
}
