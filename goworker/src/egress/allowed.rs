//! A private address that may be reached all the same, as users write it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};
use url::Host;

use super::address::embedded;

/// A private address that jobs may reach: a network (`10.0.0.0/8`), an address (`10.0.0.7`, `::1`), or a host, whatever its
/// address (`localhost`); the last two with a port if only that one is meant (`localhost:8080`, `[::1]:8080`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PrivateAddress {
    place: Place,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Net(IpNet),
    /// In lower case, without a dot at its end.
    Host(String),
}

const FORM: &str = "write a network (\"10.0.0.0/8\"), an address (\"10.0.0.7\") or a host (\"localhost\"), \
                    the last two with a port if only that one is meant (\"localhost:8080\")";

impl PrivateAddress {
    /// Whether it says something of this port.
    pub(super) fn has_port(&self, port: u16) -> bool {
        self.port.is_none_or(|own| own == port)
    }

    /// The one port that it is about, if it is about one only.
    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }

    pub(super) fn names(&self, host: &str) -> bool {
        matches!(&self.place, Place::Host(own) if own == host)
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let Place::Net(net) = &self.place else { return false };
        let inner = match address {
            IpAddr::V6(address) => embedded(address),
            IpAddr::V4(_) => None,
        };
        net.contains(&address) || inner.is_some_and(|inner| net.contains(&IpAddr::V4(inner)))
    }
}

impl FromStr for PrivateAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("`{}` {why}; {FORM}", text.escape_debug());
        if text.contains("://") {
            return Err(wrong("is a URL"));
        }
        if text.contains('/') {
            let net = text.parse::<IpNet>().map_err(|_| wrong("is no network"))?;
            return Ok(PrivateAddress { place: Place::Net(net.trunc()), port: None });
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(PrivateAddress { place: Place::Net(address.into()), port: None });
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(PrivateAddress { place: Place::Net(address.ip().into()), port: Some(address.port()) });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, Some(port.parse().map_err(|_| wrong("has something else than a port after its `:`"))?))
            }
            _ => (text, None),
        };
        let place = match Host::parse(host) {
            Ok(Host::Domain(name)) if name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) => {
                Place::Host(name.trim_end_matches('.').to_owned())
            }
            Ok(Host::Ipv4(address)) => Place::Net(IpAddr::V4(address).into()),
            Ok(Host::Ipv6(address)) => Place::Net(IpAddr::V6(address).into()),
            _ => return Err(wrong("is no host")),
        };
        Ok(PrivateAddress { place, port })
    }
}

impl TryFrom<String> for PrivateAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for PrivateAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.place, self.port) {
            (Place::Net(net), Some(port)) => write!(f, "{}", SocketAddr::new(net.addr(), port)),
            (Place::Net(net), None) if net.prefix_len() == net.max_prefix_len() => write!(f, "{}", net.addr()),
            (Place::Net(net), None) => write!(f, "{net}"),
            (Place::Host(host), Some(port)) => write!(f, "{host}:{port}"),
            (Place::Host(host), None) => f.write_str(host),
        }
    }
}

impl Serialize for PrivateAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for PrivateAddress {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PrivateAddress".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["10.0.0.0/8", "10.0.0.7:8080", "localhost:8080"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_write_is_read_in_all_its_forms() {
        let forms = [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("fd00::/8", "fd00::/8"),
            ("10.0.0.7", "10.0.0.7"),
            ("10.0.0.7:8080", "10.0.0.7:8080"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("[::1]:8080", "[::1]:8080"),
            ("localhost", "localhost"),
            ("LOCALHOST.:8080", "localhost:8080"),
            ("db_1.internal", "db_1.internal"),
            ("bücher.internal", "xn--bcher-kva.internal"),
            ("0x7f.1:80", "127.0.0.1:80"),
        ];
        for (text, shown) in forms {
            assert_eq!(text.parse::<PrivateAddress>().map(|read| read.to_string()), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn what_is_no_address_is_explained() {
        let texts =
            ["http://localhost", "10.0.0.0/33", "localhost/8", "localhost:http", "localhost:99999", "*.internal", "", ":80", "a b", "[::1"];
        let told = texts.map(|text| text.parse::<PrivateAddress>().unwrap_err().replace(FORM, "FORM")).join("\n");
        insta::assert_snapshot!(told);
    }
}
