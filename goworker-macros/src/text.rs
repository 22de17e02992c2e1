//! Tokens as a person writes them: `Option<String>`, not `Option < String >`.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// The text of `tokens`, with spaces only where a person puts them.
pub(crate) fn text(tokens: impl ToTokens) -> String {
    let mut text = String::new();
    write(&mut text, tokens.to_token_stream());
    text
}

fn write(text: &mut String, tokens: TokenStream) {
    let mut after_word = false;
    for token in tokens {
        match &token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write(text, group.stream());
                text.push_str(close);
            }
            TokenTree::Punct(punct) => match punct.as_char() {
                spaced @ ('+' | '=' | '|') if punct.spacing() == Spacing::Alone && after_word => {
                    text.push(' ');
                    text.push(spaced);
                    text.push(' ');
                }
                separator @ (',' | ';') => {
                    text.push(separator);
                    text.push(' ');
                }
                other => text.push(other),
            },
            word => {
                if after_word {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
            }
        }
        after_word = matches!(token, TokenTree::Ident(_) | TokenTree::Literal(_));
    }
    let trimmed = text.trim_end().len();
    text.truncate(trimmed);
}

#[cfg(test)]
mod tests {
    use super::text;
    use quote::quote;

    #[test]
    fn types_and_ranges_read_as_written() {
        let cases = [
            (quote!(Option<String>), "Option<String>"),
            (quote!(BTreeMap<String, Vec<u8>>), "BTreeMap<String, Vec<u8>>"),
            (quote!(std::path::PathBuf), "std::path::PathBuf"),
            (quote!([u8; 4]), "[u8; 4]"),
            (quote!((u8, String)), "(u8, String)"),
            (quote!(Box<dyn Send + Sync>), "Box<dyn Send + Sync>"),
            (quote!(&'static str), "&'static str"),
            (quote!(1..=100), "1..=100"),
            (quote!(-1.5..2.0), "-1.5..2.0"),
            (quote!("1s"..="1h"), "\"1s\"..=\"1h\""),
        ];
        for (tokens, written) in cases {
            assert_eq!(text(tokens), written);
        }
    }
}
