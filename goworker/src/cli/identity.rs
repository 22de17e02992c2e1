//! What `list` and `describe` both tell of a kind: what it is called, what it is for, where it comes from.

use serde::Serialize;

use crate::registry::{Registration, Role, Stability};

#[derive(Debug, Serialize)]
pub(super) struct Identity<'a> {
    pub(super) kind: &'a str,
    #[serde(serialize_with = "as_text")]
    pub(super) role: Role,
    pub(super) doc: &'a str,
    #[serde(rename = "crate")]
    pub(super) crate_name: &'a str,
    pub(super) version: &'a str,
    pub(super) since: Option<&'a str>,
    pub(super) stability: Stability,
}

impl<'a> From<&'a Registration> for Identity<'a> {
    fn from(kind: &'a Registration) -> Self {
        Identity {
            kind: kind.kind,
            role: kind.role,
            doc: kind.doc.trim(),
            crate_name: kind.origin.crate_name,
            version: kind.origin.crate_version,
            since: kind.since,
            stability: kind.stability,
        }
    }
}

fn as_text<S: serde::Serializer>(role: &Role, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(role)
}
