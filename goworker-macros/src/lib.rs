//! `#[provider]` and `#[worker]`: a struct becomes a plugin of goworker.
//!
//! Use them as `goworker::provider` and `goworker::worker`, where they are described.
//!
//! The way of the tokens: `args` parses what is in the brackets, `component` checks it together with the item and notes
//! all faults, `expand` writes what is valid. Everything that a macro does can be written by hand: see the snapshots.

mod args;
mod component;
mod expand;
mod faults;
mod text;

use proc_macro::TokenStream;

use args::Attribute;

/// Makes a struct a kind of provider. Described at its re-export, `goworker::provider`.
#[proc_macro_attribute]
pub fn provider(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Attribute::Provider, args.into(), item.into()).into()
}

/// Makes a struct a kind of worker. Described at its re-export, `goworker::worker`.
#[proc_macro_attribute]
pub fn worker(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Attribute::Worker, args.into(), item.into()).into()
}
