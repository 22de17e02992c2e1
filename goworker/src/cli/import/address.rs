//! Addresses, as Go takes them: of servers, and to listen on, with who could reach them.

use std::net::Ipv6Addr;

use crate::listener::Address;

/// What becomes of an address.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Listen {
    /// Only this machine could reach it, and so it stays.
    Near(String),
    /// Others could, too.
    Far {
        /// The same port for this machine only.
        near: String,
        /// As it was, in the words of this program.
        far: String,
    },
    /// It has no port that is a number.
    Unclear,
}

/// Reads `:8081`, `0.0.0.0:8081`, `localhost:8081`, `example.com:8081`; also `8081`, which Go would not have taken.
pub(super) fn listen(text: &str) -> Listen {
    let (host, port) = text.trim().rsplit_once(':').unwrap_or(("", text.trim()));
    let Ok(port) = port.parse::<u16>() else { return Listen::Unclear };
    let near = format!("127.0.0.1:{port}");
    match format!("{host}:{port}").parse::<Address>() {
        Ok(address) if !address.is_open() => Listen::Near(format!("{host}:{port}")),
        Ok(address) => Listen::Far { near, far: address.to_string() },
        // No host is all of them, and a name is that of this machine.
        Err(_) => Listen::Far { near, far: format!("0.0.0.0:{port}") },
    }
}

/// What of a server's address cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    Host,
    Port,
}

/// `localhost:6379`, `[::1]:6379`.
pub(super) fn server(host: &str, port: &str) -> Result<String, Unusable> {
    let port: u16 = port.trim().parse().map_err(|_| Unusable::Port)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if bare.parse::<Ipv6Addr>().is_ok() {
        return Ok(format!("[{bare}]:{port}"));
    }
    let is_host = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if is_host { Ok(format!("{host}:{port}")) } else { Err(Unusable::Host) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_this_machine_could_reach_stays_and_the_rest_is_told_apart() {
        for near in ["127.0.0.1:80", "localhost:80", "[::1]:80", "127.0.0.1:0"] {
            assert_eq!(listen(near), Listen::Near(near.to_owned()));
        }
        for (text, far) in [
            (":80", "0.0.0.0:80"),
            ("80", "0.0.0.0:80"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("10.1.2.3:80", "10.1.2.3:80"),
            ("[::]:80", "[::]:80"),
            ("example.com:80", "0.0.0.0:80"),
        ] {
            assert_eq!(listen(text), Listen::Far { near: "127.0.0.1:80".to_owned(), far: far.to_owned() }, "{text}");
        }
        assert_eq!(server("::1", "6379"), server("[::1]", " 6379 "));
        assert_eq!(server("redis.example.com", "1").unwrap(), "redis.example.com:1");
        assert_eq!(
            [server("a b", "1"), server("", "1"), server("a:1", "1"), server("a", "x"), server("a", "65536")],
            [Err(Unusable::Host), Err(Unusable::Host), Err(Unusable::Host), Err(Unusable::Port), Err(Unusable::Port)]
        );
        for text in ["", ":", ":http", "localhost", ":99999"] {
            assert_eq!(listen(text), Listen::Unclear, "{text}");
        }
    }
}
