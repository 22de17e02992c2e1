//! A URL is short for a configuration of one queue.

use std::path::Path;

use percent_encoding::percent_decode_str;

use super::error::OpenError;
use crate::config::{Config, LoadError};
use crate::provider::Keep;
use crate::registry::Registry;

/// Whether a text is a URL, where it may be the path of a file, too.
pub(crate) fn is_url(text: &str) -> bool {
    text.contains("://") || text.starts_with("sqlite:")
}

/// The configuration of one queue that a URL is short for. How long its jobs stay listed is left to the program that runs them.
pub(crate) fn config(url: &str, registry: &Registry) -> Result<Config, OpenError> {
    let mut config = Config::parse(&config_of(url)?, Path::new(""), registry).map_err(LoadError::Wrong)?.config;
    config.providers.iter_mut().for_each(|entry| entry.keep = Keep::FOREVER);
    Ok(config)
}

/// The text of that configuration.
///
/// `sqlite:jobs.db` and `sqlite:/var/jobs.db` name a file, and so does `sqlite:///var/jobs.db`. `redis://HOST/0?queue=orders` and the
/// other URLs of `redis` name a server, and may have its settings `queue` (`jobs` if left out), `namespace` and `ca` after the `?`.
fn config_of(url: &str) -> Result<String, OpenError> {
    let Some((scheme, rest)) = url.split_once(':') else {
        return Err(OpenError::Url("this is not a URL; write `sqlite:jobs.db`, or open a configuration".to_owned()));
    };
    let queue = match scheme {
        "sqlite" => format!("sqlite(path: {})", quoted(&path(rest)?)),
        "redis" | "rediss" | "redis+unix" | "redis+sentinel" | "rediss+sentinel" => redis(url)?,
        "memory" => {
            let message = "a memory queue lives only inside the process that runs it; ask its manager for a client";
            return Err(OpenError::Url(message.to_owned()));
        }
        // What follows may hold a password.
        scheme => {
            return Err(OpenError::Url(format!(
                "`{}:` is no store that this program knows; there are `sqlite:` and `redis:`",
                scheme.escape_debug()
            )));
        }
    };
    Ok(format!("(providers: {{ \"jobs\": {queue} }})"))
}

/// The file that the part after the scheme names.
fn path(rest: &str) -> Result<String, OpenError> {
    let wrong = |message: String| Err(OpenError::Url(message));
    let path = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(path) => {
            return wrong(format!("`sqlite://{path}` names a host; write `sqlite:{path}`, or `sqlite:///..` for an absolute path"));
        }
        None => rest,
    };
    if path.contains(['?', '#']) {
        return wrong(format!("`sqlite:{rest}` has more than a path; other settings need a configuration, and a `?` in a path is `%3F`"));
    }
    match percent_decode_str(path).decode_utf8() {
        Ok(path) if path.is_empty() => wrong(format!("`sqlite:{rest}` names no file; write `sqlite:jobs.db`")),
        Ok(path) => Ok(path.into_owned()),
        Err(_) => wrong(format!("`sqlite:{rest}` is not UTF-8 when its `%` are read")),
    }
}

/// A queue on a server. What the URL says of the queue is a setting; the rest is for the server.
fn redis(url: &str) -> Result<String, OpenError> {
    let (url, insecure) = url.split_at(url.find('#').unwrap_or(url.len()));
    let (server, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut settings, mut others) = (String::new(), Vec::new());
    for part in query.split('&').filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some((name @ ("queue" | "namespace" | "ca"), value)) => {
                let Ok(value) = percent_decode_str(value).decode_utf8() else {
                    return Err(OpenError::Url(format!("`{name}` is not UTF-8 when its `%` are read")));
                };
                settings.push_str(&format!(", {name}: {}", quoted(&value)));
            }
            _ => others.push(part),
        }
    }
    let others = if others.is_empty() { String::new() } else { format!("?{}", others.join("&")) };
    Ok(format!("redis(url: {}{settings})", quoted(&format!("{server}{others}{insecure}"))))
}

/// A text as RON has it.
fn quoted(text: &str) -> String {
    let escaped = text.chars().flat_map(|c| if matches!(c, '"' | '\\') { vec!['\\', c] } else { vec![c] });
    format!("\"{}\"", escaped.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_file_as_elsewhere() {
        let path = |url: &str| {
            let config = config_of(url).unwrap();
            config.strip_prefix("(providers: { \"jobs\": sqlite(path: ").unwrap().strip_suffix(") })").unwrap().to_owned()
        };
        assert_eq!(path("sqlite:jobs.db"), r#""jobs.db""#);
        assert_eq!(path("sqlite:/var/jobs.db"), r#""/var/jobs.db""#);
        assert_eq!(path("sqlite:///var/my%20jobs.db"), r#""/var/my jobs.db""#);
        assert_eq!(path(r#"sqlite:a"b\c"#), r#""a\"b\\c""#);
    }

    #[test]
    fn what_a_url_says_of_a_queue_becomes_settings() {
        let urls = [
            "redis://host",
            "rediss://user:p%2Fw@host:1/2?queue=my%20orders&protocol=resp3&namespace=a&ca=/etc/ca.pem#insecure",
            "redis+sentinel://one,two/main?queue=orders",
        ];
        insta::assert_snapshot!(urls.map(|url| config_of(url).unwrap()).join("\n"));
    }

    #[test]
    fn a_url_that_cannot_be_is_explained() {
        let urls = [
            "jobs.db",
            "sqlite:",
            "sqlite://jobs.db",
            "sqlite:jobs.db?mode=ro",
            "sqlite:%ff",
            "amqp://:secret@host",
            "memory:",
            "redis://h?queue=%ff",
        ];
        let told = urls.map(|url| config_of(url).unwrap_err().to_string());
        assert!(!told.join("").contains("secret"));
        insta::assert_snapshot!(told.join("\n"));
    }
}
