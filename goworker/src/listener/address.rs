//! Where to listen, as users write it.

use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// An address to listen on: `"127.0.0.1:8081"`, `"localhost:8081"`, `"[::1]:8081"`. With port 0 the system chooses one.
///
/// A plugin that has such a setting has a setting `token`, an `Option<Secret>`, beside it: without one, an address that other
/// machines can reach is a mistake of the configuration, told with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address(pub SocketAddr);

/// The `format` by which its schema is known.
const FORMAT: &str = "listen-address";

impl Address {
    /// Whether other machines can reach it.
    pub fn is_open(&self) -> bool {
        !self.0.ip().to_canonical().is_loopback()
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Address(address));
        }
        let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
        let help = match (host, port.parse::<u16>()) {
            ("localhost", Ok(port)) => return Ok(Address((Ipv4Addr::LOCALHOST, port).into())),
            ("" | "*", Ok(port)) => format!("write \"127.0.0.1:{port}\", or \"0.0.0.0:{port}\" if other machines are to reach it"),
            _ => "write an IP address and a port, such as \"127.0.0.1:8081\"".to_owned(),
        };
        Err(format!("`{}` is no address to listen on; {help}", text.escape_debug()))
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": FORMAT, "examples": ["127.0.0.1:8081"] })
    }
}

/// Whether a setting with this schema is an address to listen on.
pub(crate) fn is_address(schema: fn(&mut SchemaGenerator) -> Schema) -> bool {
    schema(&mut SchemaGenerator::default()).get("format").is_some_and(|format| format == FORMAT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_tells_who_can_reach_it() {
        let open = |text: &str| text.parse::<Address>().map(|address| address.is_open());
        for near in ["127.0.0.1:0", "127.8.8.8:80", "[::1]:80", "localhost:80", "[::ffff:127.0.0.1]:80"] {
            assert_eq!(open(near), Ok(false), "{near}");
        }
        for far in ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "[::ffff:10.0.0.1]:80"] {
            assert_eq!(open(far), Ok(true), "{far}");
        }
    }

    #[test]
    fn what_is_no_address_is_told_with_what_would_be_right() {
        let told = [":9090", "*:80", "8081", "localhost", "example.com:80", "127.0.0.1", "127.0.0.1:99999", "http://127.0.0.1:80", ""]
            .map(|text| text.parse::<Address>().unwrap_err());
        insta::assert_snapshot!(told.join("\n"));
    }
}
