//! macros
use proc_macro::TokenStream;

/// worker
#[proc_macro_attribute]
pub fn worker(_args: TokenStream, item: TokenStream) -> TokenStream {
    item
}

/// provider
#[proc_macro_attribute]
pub fn provider(_args: TokenStream, item: TokenStream) -> TokenStream {
    item
}
