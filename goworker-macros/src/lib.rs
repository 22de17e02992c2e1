//! `#[provider]` and `#[worker]`: a struct, or a function, becomes a plugin of goworker.
//!
//! Use them as `goworker::provider` and `goworker::worker`, where they are described. What they write is ordinary code:
//! the snapshots show it, and `goworker::Registry::with` has an example of the same by hand.
//!
//! The way of the tokens: `args` and `field_args` parse what is in the brackets, `component` and `function` check it
//! together with the item and note all faults, `write` writes what is valid. `expand` is all of that in order.

mod faults;
mod text;
// ── what is in the brackets ──
mod args;
mod entry;
mod field_args;
// ── checked ──
mod component;
mod function;
mod literal;
mod setting;
// ── written ──
mod expand;
mod write;
mod write_function;

use proc_macro::TokenStream;

use args::Attribute;

/// Every fault is an error at its own place, and the item is given back whatever happens.
#[doc(alias("config", "state"))]
#[proc_macro_attribute]
pub fn provider(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Attribute::Provider, args.into(), item.into()).into()
}

/// Every fault is an error at its own place, and the item is given back whatever happens.
#[doc(alias("config", "state"))]
#[proc_macro_attribute]
pub fn worker(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Attribute::Worker, args.into(), item.into()).into()
}
