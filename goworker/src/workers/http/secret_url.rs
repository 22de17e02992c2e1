//! A URL in the configuration: it is never shown, for it may hold a password or a token.

use std::fmt;

use goworker::settings::Secret;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::params::read_url;

/// A URL that is never shown.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(try_from = "Secret")]
#[schemars(with = "Secret")]
pub(in crate::workers) struct SecretUrl(pub(super) Url);

impl TryFrom<Secret> for SecretUrl {
    type Error = String;

    fn try_from(text: Secret) -> Result<Self, String> {
        read_url(text.expose()).map(SecretUrl)
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretUrl(***)")
    }
}
