//! The path of a URL, as a setting.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A path such as `/jobs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub(crate) struct UrlPath(String);

impl TryFrom<String> for UrlPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '~');
        let mut parts = text.strip_prefix('/').into_iter().flat_map(|rest| rest.split('/')).peekable();
        let is_path = parts.peek().is_some() && parts.all(|part| !part.is_empty() && !part.starts_with('.') && part.chars().all(allowed));
        if is_path {
            Ok(UrlPath(text))
        } else {
            let text = text.escape_debug();
            Err(format!("`{text}` is no path for jobs; write one such as \"/jobs\", of A-Z a-z 0-9 _ . - ~ and with no `/` at its end"))
        }
    }
}

impl From<&str> for UrlPath {
    fn from(text: &str) -> Self {
        UrlPath(text.to_owned())
    }
}

impl From<UrlPath> for String {
    fn from(path: UrlPath) -> String {
        path.0
    }
}

impl fmt::Display for UrlPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_that_clients_can_send_as_it_is() {
        let is_path = |text: &str| UrlPath::try_from(text.to_owned()).is_ok();
        for path in ["/jobs", "/v1/jobs", "/a.b-c_d~e"] {
            assert!(is_path(path), "{path}");
        }
        for other in ["", "/", "jobs", "/jobs/", "//jobs", "/a//b", "/{id}", "/a b", "/a?b", "/ü", "/..", "/a/../b", "/a%2fb"] {
            assert!(!is_path(other), "{other}");
        }
    }
}
