//! `#[provider]` and `#[worker]`: a struct becomes a plugin with a config struct, a factory and documentation.
//!
//! The way of a struct through this crate: `args` reads the brackets, `component` turns brackets and struct into a
//! model that is valid by construction and collects every fault, `expand` writes the code.

mod args;
mod component;
mod expand;

use proc_macro::TokenStream;

use component::Kind;

/// Makes a struct a worker. Described at `goworker::worker`.
#[proc_macro_attribute]
pub fn worker(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::Worker, args.into(), item.into()).into()
}

/// Makes a struct a provider. Described at `goworker::provider`.
#[proc_macro_attribute]
pub fn provider(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::Provider, args.into(), item.into()).into()
}
