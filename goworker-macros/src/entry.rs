//! The list in the brackets of any of our attributes: `key`, `key = value`, ..

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Expr, Ident, Token, Type};

use crate::faults::Faults;

/// One entry: `key` or `key = value`.
pub(crate) struct Entry {
    pub(crate) key: Ident,
    pub(crate) value: Option<Expr>,
}

impl Entry {
    /// Notes that there is no such key.
    pub(crate) fn refuse(&self, known: &str, faults: &mut Faults) {
        faults.at(&self.key, format_args!("there is no `{}` here; {known}", self.key));
    }
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = input.call(Ident::parse_any).map_err(|error| syn::Error::new(error.span(), "expected a name"))?;
        let mut value = None;
        if input.parse::<Option<Token![=]>>()?.is_some() {
            // `Vec<u8>` is a type, and no expression: it is kept as it is written.
            value = Some(if key == "params" { Expr::Verbatim(input.parse::<Type>()?.into_token_stream()) } else { input.parse()? });
        }
        if input.is_empty() || input.peek(Token![,]) {
            Ok(Entry { key, value })
        } else {
            Err(input.error(format_args!("expected `{key} = ..` or a comma")))
        }
    }
}

/// The entries of a list, each key once; one that cannot be read does not hide those after it.
pub(crate) fn entries(tokens: TokenStream, known: &str, faults: &mut Faults) -> Vec<Entry> {
    let parser = |input: ParseStream<'_>| {
        let mut entries: Vec<Entry> = Vec::new();
        while !input.is_empty() {
            match input.parse::<Entry>() {
                Ok(entry) if entries.iter().any(|earlier| earlier.key == entry.key) => {
                    faults.at(&entry.key, format_args!("`{}` is given twice; keep one", entry.key));
                }
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
