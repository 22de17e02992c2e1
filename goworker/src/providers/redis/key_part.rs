//! Names that become part of the names of keys.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

/// A name that is not empty and has no `{` or `}`: what is between these decides on which node of a cluster a key is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(in crate::providers) struct KeyPart(String);

impl TryFrom<String> for KeyPart {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        if name.is_empty() || name.contains(['{', '}']) {
            return Err("this becomes a part of the names of keys: it has to be there, without `{` and `}`");
        }
        Ok(KeyPart(name))
    }
}

impl fmt::Display for KeyPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
