//! What may be reached from here: public addresses, and private ones that the configuration names.
//!
//! Whoever may write a job may write a URL into it, and must not reach by it what only this machine reaches: its own ports,
//! the local network, the metadata of a cloud. So an address is judged, not a name, in whatever spelling it comes; and the
//! connection goes to the very address that was judged, for a name may resolve to another one the next moment.
//!
//! A URL that holds an address is judged by [`Guard::check`]; a name by [`Guard::sift`] when it has been resolved. Each hop of a
//! redirect is a URL of its own.

mod address;
mod allowed;

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::Host;

pub use address::is_public;
pub use allowed::PrivateAddress;
pub use url::Url;

/// Says what may be reached.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    allowed: Vec<PrivateAddress>,
}

/// An address that must not be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refused {
    host: String,
    address: Option<IpAddr>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refused { host, address } = self;
        match address {
            Some(address) if *host == address.to_string() => write!(f, "{address} is not a public address")?,
            Some(address) => write!(f, "{host} is {address}, which is not a public address")?,
            None => write!(f, "{host} is this machine")?,
        }
        f.write_str("; it is reached only if `allow_private` names it")
    }
}

impl Guard {
    /// A guard that lets through to public addresses and to these.
    pub fn new(allowed: Vec<PrivateAddress>) -> Self {
        Guard { allowed }
    }

    /// The ports that are named: what is allowed depends on the port for these only.
    pub fn ports(&self) -> BTreeSet<u16> {
        self.allowed.iter().filter_map(PrivateAddress::port).collect()
    }

    /// The guard for connections to one port, or to any port that is not [named](Guard::ports). A resolver needs it, which is
    /// told a name and no port.
    #[must_use]
    pub fn at(&self, port: Option<u16>) -> Guard {
        let is_meant = |entry: &&PrivateAddress| port.map_or(entry.port().is_none(), |port| entry.has_port(port));
        Guard { allowed: self.allowed.iter().filter(is_meant).cloned().collect() }
    }

    /// Judges a URL as far as that can be done without a resolver: the address in it, if there is one, and the names that mean
    /// this machine everywhere.
    ///
    /// # Errors
    /// When it must not be reached.
    pub fn check(&self, url: &Url) -> Result<(), Refused> {
        let guard = self.at(Some(url.port_or_known_default().unwrap_or_default()));
        let refused = match url.host() {
            Some(Host::Ipv4(address)) => guard.refuses("", address.into()),
            Some(Host::Ipv6(address)) => guard.refuses("", address.into()),
            Some(Host::Domain(name)) => {
                let name = bare(name);
                let is_here = name == "localhost" || name.ends_with(".localhost");
                let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
                let refused = is_here && loopback.iter().all(|address| guard.refuses(&name, *address).is_some());
                refused.then_some(Refused { host: name, address: None })
            }
            None => None,
        };
        refused.map_or(Ok(()), Err)
    }

    /// Of what a name has been resolved to, what may be reached.
    ///
    /// # Errors
    /// When that is nothing.
    pub fn sift(&self, name: &str, resolved: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
        let name = bare(name);
        let mut refused = None;
        let mut left = resolved;
        left.retain(|address| {
            let verdict = self.refuses(&name, address.ip());
            let is_fine = verdict.is_none();
            refused = refused.take().or(verdict);
            is_fine
        });
        match refused {
            Some(refused) if left.is_empty() => Err(refused),
            _ => Ok(left),
        }
    }

    fn refuses(&self, name: &str, address: IpAddr) -> Option<Refused> {
        let is_fine = is_public(address) || self.allowed.iter().any(|entry| entry.names(name) || entry.contains(address));
        let host = if name.is_empty() { address.to_string() } else { name.to_owned() };
        (!is_fine).then_some(Refused { host, address: Some(address) })
    }
}

/// A name as it is compared.
fn bare(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allowed: &[&str]) -> Guard {
        Guard::new(allowed.iter().map(|entry| entry.parse().unwrap()).collect())
    }

    fn checks(guard: &Guard, url: &str) -> bool {
        guard.check(&url.parse().unwrap()).is_ok()
    }

    fn sifted(guard: &Guard, name: &str, resolved: &[&str]) -> Result<Vec<String>, String> {
        let resolved = resolved.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect();
        let left = guard.sift(name, resolved).map_err(|refused| refused.to_string())?;
        Ok(left.iter().map(|address| address.ip().to_string()).collect())
    }

    #[test]
    fn what_is_named_is_allowed_and_nothing_beside_it() {
        let guard = guard(&["10.0.0.0/8", "127.0.0.1:8080", "[::1]:8080", "metadata.test"]);
        for url in ["http://10.1.2.3:99/", "http://127.0.0.1:8080/", "http://[::1]:8080/", "http://[::ffff:10.0.0.1]/", "http://8.8.8.8/"] {
            assert!(checks(&guard, url), "{url}");
        }
        for url in [
            "http://11.0.0.1:1/",
            "http://127.0.0.1/",
            "http://127.0.0.1:8081/",
            "http://127.0.0.2:8080/",
            "http://[::1]/",
            "http://192.168.0.1/",
        ] {
            assert_eq!(checks(&guard, url), url.contains("//11."), "{url}");
        }
        assert_eq!(sifted(&guard.at(Some(80)), "metadata.test.", &["169.254.169.254"]), Ok(vec!["169.254.169.254".to_owned()]));
        assert!(sifted(&guard.at(Some(80)), "other.test", &["169.254.169.254"]).is_err());
        assert!(sifted(&guard.at(Some(8080)), "other.test", &["127.0.0.1"]).is_ok());
        assert!(sifted(&guard.at(None), "other.test", &["127.0.0.1"]).is_err());
    }

    #[test]
    fn localhost_is_this_machine_in_any_spelling() {
        for url in ["http://localhost/", "http://LOCALHOST./", "http://a.localhost/", "https://localhost:8443/"] {
            assert!(!checks(&guard(&[]), url), "{url}");
            assert!(checks(&guard(&["127.0.0.0/8"]), url), "{url}");
        }
        assert!(checks(&guard(&["localhost:80"]), "http://localhost/") && !checks(&guard(&["localhost:80"]), "http://localhost:81/"));
    }

    #[test]
    fn of_what_a_name_resolves_to_public_addresses_are_left() {
        assert_eq!(sifted(&guard(&[]), "mixed.test", &["127.0.0.1", "8.8.8.8", "::1"]), Ok(vec!["8.8.8.8".to_owned()]));
        let refused = sifted(&guard(&[]), "evil.test", &["127.0.0.1", "10.0.0.1"]).unwrap_err();
        assert_eq!(refused, "evil.test is 127.0.0.1, which is not a public address; it is reached only if `allow_private` names it");
        assert_eq!(sifted(&guard(&[]), "nothing.test", &[]), Ok(vec![]));
    }
}
