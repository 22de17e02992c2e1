//! Where the servers are, as users write it.

use std::fmt;

use redis::io::tcp::TcpSettings;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};
use schemars::JsonSchema;
use serde::Deserialize;

/// The port of sentinels, unless told otherwise.
const SENTINEL: u16 = 26_379;
/// What would be right.
const FORM: &str = "write `redis://HOST:PORT`, with `USER:PASSWORD@` before the host if it needs a login, \
                    or `redis+sentinel://HOST:PORT,HOST:PORT/MASTER`; `rediss` instead of `redis` is with TLS";

/// Where a server is: `redis://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]..][/DB]`, or `redis+unix:///PATH`.
/// Of several hosts the first is taken that answers and takes writes; of a cluster, one that answers is enough.
///
/// `redis+sentinel://[USER:PASSWORD@]HOST[:PORT][,..]/MASTER[/DB]` names sentinels, and what they call the master. The login is
/// the master's, and the sentinels' if they want one.
///
/// `rediss` instead of `redis` is with TLS.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(in crate::providers) struct Url {
    /// Servers, or sentinels. There is at least one.
    pub(super) hosts: Vec<ConnectionInfo>,
    /// What sentinels call the master.
    pub(super) master: Option<String>,
}

impl TryFrom<String> for Url {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = |what: &str| format!("this is no URL of a Redis server ({what}); {FORM}");
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it has no `://`"))?;
        let (scheme, is_watched) = scheme.strip_suffix("+sentinel").map_or((scheme, false), |scheme| (scheme, true));
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (login, hosts) = authority.rsplit_once('@').map_or((None, authority), |(login, hosts)| (Some(login), hosts));
        if path.contains('@') {
            return Err(wrong("a `/`, `?` or `#` in a password is written `%2F`, `%3F` or `%23`"));
        }
        if let Some(unknown) = unknown_in(path) {
            return Err(format!(
                "`{unknown}` is nothing that the URL of a server has; `queue`, `namespace` and `ca` are settings beside `url`"
            ));
        }
        let (master, path) = if is_watched { master_in(path).map_err(wrong)? } else { (None, path) };
        let server = |host: &str| {
            let port = if is_watched && !has_port(host) { format!(":{SENTINEL}") } else { String::new() };
            let login = login.map(|login| format!("{login}@")).unwrap_or_default();
            let info = format!("{scheme}://{login}{host}{port}{path}").into_connection_info();
            let info = info.map_err(|error| wrong(error.to_string().split(" - ").next().unwrap_or_default()))?;
            Ok(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
        };
        Ok(Url { hosts: hosts.split(',').map(server).collect::<Result<_, String>>()?, master })
    }
}

/// What stands after the `?` and would be passed over.
fn unknown_in(path: &str) -> Option<&str> {
    let query = path.split('#').next().and_then(|path| path.split_once('?')).map_or("", |(_, query)| query);
    let mut names = query.split('&').map(|part| part.split_once('=').map_or(part, |(name, _)| name));
    names.find(|name| !matches!(*name, "" | "protocol" | "db" | "user" | "pass"))
}

/// The master's name in `/NAME/DB?MORE`, and what is left.
fn master_in(path: &str) -> Result<(Option<String>, &str), &'static str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (name, rest) = path.split_at(path.find(['/', '?', '#']).unwrap_or(path.len()));
    match percent_encoding::percent_decode_str(name).decode_utf8() {
        Ok(name) if !name.is_empty() => Ok((Some(name.into_owned()), rest)),
        _ => Err("after the sentinels comes what they call the master, as in `redis+sentinel://HOST/mymaster`"),
    }
}

fn has_port(host: &str) -> bool {
    // The colons of an address of IPv6 are in brackets.
    host.rsplit(']').next().is_some_and(|end| end.contains(':'))
}

fn place(address: &ConnectionAddr) -> String {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
        address => address.to_string(),
    }
}

/// Without the password.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<String> = self.hosts.iter().map(|host| place(host.addr())).collect();
        match &self.master {
            Some(master) => write!(f, "`{master}` of the sentinels {}", hosts.join(", ")),
            None => f.write_str(&hosts.join(", ")),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Url, String> {
        Url::try_from(text.to_owned())
    }

    #[test]
    fn a_url_names_one_server_or_several_or_sentinels() {
        let shown = |text: &str| {
            let url = read(text).unwrap();
            let login = url.hosts[0].redis_settings();
            format!("{url} as {:?}, database {}", login.username(), login.db())
        };
        let urls = [
            "redis://host",
            "redis://user:secret@host:1/2",
            "rediss://:secret@one:1,two,[::1]:3/4",
            "redis+unix:///run/redis.sock",
            "redis+sentinel://one,[::1],two:3/main",
            "rediss+sentinel://user:secret@one/ma%20in/5",
        ];
        let shown = urls.map(shown).join("\n");
        assert!(!shown.contains("secret"));
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn what_is_no_url_is_explained() {
        let urls = [
            "localhost:6379",
            "http://:secret@host",
            "redis://",
            "redis://one,,two",
            "redis://:secret/x@host",
            "redis://:a?secret=1@host",
            "redis://:secret@host:x",
            "redis://host/orders",
            "redis://host/0?queue=orders",
            "redis+sentinel://one,two",
            "http+sentinel://one/main",
        ];
        let told = urls.map(|url| read(url).unwrap_err().replace(FORM, "FORM")).join("\n");
        assert!(!told.contains("secret"));
        insta::assert_snapshot!(told);
    }
}
