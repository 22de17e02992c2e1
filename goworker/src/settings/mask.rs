//! What must not be shown of a config: secrets, and what looks like one, become `*`.

use super::source::Span;
use super::tokens::{Kind, Token, tokens};

/// A text without its secrets, each character of them a `*`.
#[derive(Debug, Clone)]
pub(crate) struct Masked {
    text: String,
    /// By how many bytes the text is shorter from a place of the original on.
    shorter: Vec<(usize, usize)>,
}

impl Masked {
    /// Masks `secrets`, and all that looks like a secret in RON.
    pub(crate) fn new(original: &str, secrets: &[Span]) -> Self {
        let mut hidden = vec![false; original.len()];
        for span in secrets.iter().cloned().chain(passwords_in_urls(original)).chain(telling_settings(original)) {
            hidden[inside_quotes(original, span)].fill(true);
        }
        let mut masked = Masked { text: String::with_capacity(original.len()), shorter: Vec::new() };
        for (at, shown) in original.char_indices() {
            let is_hidden = hidden[at] && !matches!(shown, '\n' | '\r');
            masked.text.push(if is_hidden { '*' } else { shown });
            if is_hidden && shown.len_utf8() > 1 {
                let before = masked.shorter.last().map_or(0, |(_, bytes)| *bytes);
                masked.shorter.push((at + shown.len_utf8(), before + shown.len_utf8() - 1));
            }
        }
        masked
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Where a place of the original is in this text.
    pub(crate) fn place(&self, original: usize) -> usize {
        let earlier = self.shorter.partition_point(|(at, _)| *at <= original);
        original.saturating_sub(earlier.checked_sub(1).map_or(0, |last| self.shorter[last].1)).min(self.text.len())
    }
}

fn inside_quotes(text: &str, span: Span) -> Span {
    let is_quoted = span.len() >= 2 && text[span.clone()].starts_with('"') && text[span.clone()].ends_with('"');
    if is_quoted { span.start + 1..span.end - 1 } else { span }
}

/// A message without the passwords of the URLs in it.
pub(crate) fn without_passwords(message: &str) -> String {
    let spans = passwords_in_urls(message);
    message.char_indices().map(|(at, c)| if spans.iter().any(|span| span.contains(&at)) { '*' } else { c }).collect()
}

/// The password in `scheme://user:password@host`. People write `/` and `#` in passwords, so the last `@` ends it.
fn passwords_in_urls(text: &str) -> Vec<Span> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("://") {
        let start = at + 3;
        let url = text[start..].split(|c: char| c.is_whitespace() || matches!(c, '"' | '`')).next().unwrap_or_default();
        if let Some((login, _)) = url.rsplit_once('@')
            && let Some(colon) = login.find(':')
        {
            found.push(start + colon + 1..start + login.len());
        }
    }
    found
}

/// The text that is given to a setting with a telling name, which need not belong to a kind that we know.
fn telling_settings(text: &str) -> Vec<Span> {
    let words = tokens(text);
    let named = |name: &Token, sign: &Token, value: &Token| {
        let is_setting = matches!(name.kind, Kind::Word | Kind::Text) && &text[sign.span.clone()] == ":" && value.kind == Kind::Text;
        is_setting && is_telling(&text[name.span.clone()])
    };
    words.array_windows().filter(|[name, sign, value]| named(name, sign, value)).map(|[.., value]| value.span.clone()).collect()
}

fn is_telling(name: &str) -> bool {
    const TELLING: [&str; 9] = ["password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "credential", "private_key"];
    let name = name.trim_matches('"').to_lowercase();
    // A misspelt `pasword` is no setting of any kind, and still holds one.
    TELLING.iter().any(|telling| name.contains(telling) || (telling.len() > 5 && strsim::damerau_levenshtein(&name, telling) <= 2))
}

/// The literals in a part of a text that may be secrets: all but the names of variables and files.
pub(crate) fn literals(part: &str) -> Vec<Span> {
    let words = tokens(part);
    let is_name = |at: usize| {
        let before = at.checked_sub(2).and_then(|before| words.get(before..at)).unwrap_or_default();
        matches!(before, [word, bracket] if bracket.kind == Kind::Open('(') && matches!(&part[word.span.clone()], "env" | "file"))
    };
    words.iter().enumerate().filter(|(at, word)| word.kind == Kind::Text && !is_name(*at)).map(|(_, word)| word.span.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        Masked::new(text, &[]).text
    }

    #[test]
    fn passwords_are_masked_whatever_they_belong_to() {
        assert_eq!(
            masked(r#"(url: "redis://user:hunter2@host/0", "api_key": "kéy", note: "a:b@c") // amqp://u:p/w#@h"#),
            r#"(url: "redis://user:*******@host/0", "api_key": "***", note: "a:b@c") // amqp://u:****@h"#
        );
        assert_eq!(
            masked(r#"pasword : /* x */ "a\"b", token: secret(file("x"))"#),
            r#"pasword : /* x */ "****", token: secret(file("x"))"#
        );
        assert_eq!(masked(r##"TOKEN: r#"a"b"#, url: "http://h:80/x""##), r##"TOKEN: ********, url: "http://h:80/x""##);
        assert_eq!(without_passwords("`http://a:ü@b` is no size"), "`http://a:*@b` is no size");
    }

    #[test]
    fn names_of_variables_are_no_secrets() {
        let part = r#"[env("X", "a"), secret(file("b")), secret("c"), ("d")]"#;
        assert_eq!(literals(part).into_iter().map(|span| &part[span]).collect::<Vec<_>>(), ["\"a\"", "\"c\"", "\"d\""]);
    }

    #[test]
    fn places_are_found_again() {
        let text = "é password: \"kéÿ\", ü: 5";
        let masked = Masked::new(text, &[]);
        assert_eq!(masked.text(), "é password: \"***\", ü: 5");
        for needle in ["é", "\"", "ü", "5"] {
            assert_eq!(masked.place(text.find(needle).unwrap()), masked.text().find(needle).unwrap());
        }
        assert_eq!(masked.place(text.len()), masked.text().len());
        assert_eq!(masked.place(usize::MAX), masked.text().len());
    }
}
