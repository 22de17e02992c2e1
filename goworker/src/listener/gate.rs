//! Who is let in: a decision about the head of a request, before anything else of it is read.

use std::net::IpAddr;

use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, request};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Refusal;
use crate::settings::Secret;

/// Tells requests of programs that may come in from those of strangers, and of browsers that a stranger's page makes send them.
pub(super) struct Gate {
    /// A hash of the token, so that comparing takes the same time whatever a guess has in common with it, length included.
    token: Option<[u8; 32]>,
}

impl Gate {
    pub(super) fn new(token: Option<&Secret>) -> Self {
        Gate { token: token.map(|token| hash(token.expose().as_bytes())) }
    }

    /// Whether a request with this head may come in.
    pub(super) fn check(&self, head: &request::Parts) -> Result<(), Refusal> {
        let host = host(head)?;
        match &self.token {
            Some(token) => check_token(token, &head.headers)?,
            // A page may have a name that leads here; what its browser sends is then no longer foreign to the browser, but has that name.
            None if !is_local(&host) => {
                let message = format!("there is no `{host}` here; ask for `localhost` or a loopback address, or set a `token`");
                return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, message));
            }
            None => {}
        }
        check_origin(head, &host)
    }
}

fn hash(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// The host that the request is for. There has to be exactly one.
fn host(head: &request::Parts) -> Result<Authority, Refusal> {
    let wrong = |what: &str| Refusal::new(StatusCode::BAD_REQUEST, format!("the request has {what} header `Host`"));
    let mut given = head.headers.get_all(HOST).iter();
    let (Some(host), None) = (given.next(), given.next()) else {
        return Err(wrong(if head.headers.contains_key(HOST) { "more than one" } else { "no" }));
    };
    let host = Authority::try_from(host.as_bytes()).map_err(|_| wrong("an unusable"))?;
    // What is asked for by a whole URL has its host there.
    Ok(head.uri.authority().cloned().unwrap_or(host))
}

fn is_local(host: &Authority) -> bool {
    let name = host.host();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn check_token(token: &[u8; 32], headers: &HeaderMap) -> Result<(), Refusal> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let bearer = match (given.next(), given.next()) {
        (Some(value), None) => value.as_bytes().split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer ")),
        _ => None,
    };
    let is_right = bearer.is_some_and(|(_, guess)| bool::from(hash(guess.trim_ascii()).ct_eq(token)));
    if is_right {
        Ok(())
    } else {
        Err(Refusal::new(StatusCode::UNAUTHORIZED, "send the header `Authorization: Bearer TOKEN`, with the right token"))
    }
}

/// Refuses what a browser sends for a page of another site, unless it can change nothing.
fn check_origin(head: &request::Parts, host: &Authority) -> Result<(), Refusal> {
    const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
    if matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let is_own = match (head.headers.get(SEC_FETCH_SITE), head.headers.get(ORIGIN)) {
        (Some(site), _) => matches!(site.as_bytes(), b"same-origin" | b"none"),
        // Older browsers tell the origin only. Programs tell neither.
        (None, Some(origin)) => origin
            .to_str()
            .ok()
            .and_then(|origin| origin.split_once("://"))
            .is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(host.as_str())),
        (None, None) => true,
    };
    if is_own { Ok(()) } else { Err(Refusal::new(StatusCode::FORBIDDEN, "a page of another site may not send this")) }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    /// The status for a request whose head has these lines, or 200.
    fn status(gate: &Gate, method: &str, uri: &str, headers: &[(&str, &str)]) -> u16 {
        let request =
            headers.iter().fold(Request::builder().method(method).uri(uri), |request, (name, value)| request.header(*name, *value));
        let (head, ()) = request.body(()).unwrap().into_parts();
        gate.check(&head).map_or_else(|refusal| refusal.status().as_u16(), |()| 200)
    }

    #[test]
    fn without_a_token_only_local_names_are_known_here() {
        let gate = Gate::new(None);
        for host in ["localhost", "LOCALHOST:8081", "127.0.0.1:8081", "127.1.2.3", "[::1]:8081"] {
            assert_eq!(status(&gate, "GET", "/", &[("host", host)]), 200, "{host}");
        }
        for host in ["evil.example", "evil.example:8081", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "0.0.0.0", "[::]"]
        {
            assert_eq!(status(&gate, "GET", "/", &[("host", host)]), 421, "{host}");
        }
        assert_eq!(status(&gate, "GET", "http://evil.example/", &[("host", "localhost")]), 421);
        assert_eq!(status(&gate, "GET", "/", &[]), 400);
        assert_eq!(status(&gate, "GET", "/", &[("host", "localhost"), ("host", "localhost")]), 400);
        assert_eq!(status(&gate, "GET", "/", &[("host", "local host")]), 400);
    }

    #[test]
    fn with_a_token_it_has_to_be_told_and_names_do_not_matter() {
        let gate = Gate::new(Some(&Secret::new("s3cret")));
        let with = |authorization: &str| status(&gate, "GET", "/", &[("host", "jobs.example"), ("authorization", authorization)]);
        assert_eq!(["Bearer s3cret", "bearer s3cret", "Bearer  s3cret"].map(with), [200; 3]);
        assert_eq!(["Bearer s3cre", "Bearer s3crets", "Bearer ", "Bearer", "Basic s3cret", "s3cret", ""].map(with), [401; 7]);
        assert_eq!(status(&gate, "GET", "/", &[("host", "localhost")]), 401);
        let twice = [("host", "localhost"), ("authorization", "Bearer s3cret"), ("authorization", "Bearer x")];
        assert_eq!(status(&gate, "GET", "/", &twice), 401);
    }

    #[test]
    fn a_page_of_another_site_can_look_but_not_touch() {
        let gate = Gate::new(None);
        let post = |header: (&str, &str)| status(&gate, "POST", "/jobs", &[("host", "localhost:8081"), header]);
        assert_eq!(post(("accept", "*/*")), 200);
        assert_eq!(["same-origin", "none"].map(|site| post(("sec-fetch-site", site))), [200; 2]);
        assert_eq!(["cross-site", "same-site", ""].map(|site| post(("sec-fetch-site", site))), [403; 3]);
        assert_eq!(post(("origin", "http://localhost:8081")), 200);
        let foreign = ["http://evil.example", "http://localhost:8082", "null", "http://localhost:8081.evil.example", "localhost:8081"];
        assert_eq!(foreign.map(|origin| post(("origin", origin))), [403; 5]);
        assert_eq!(status(&gate, "DELETE", "/jobs/a", &[("host", "localhost"), ("sec-fetch-site", "cross-site")]), 403);
        assert_eq!(status(&gate, "GET", "/jobs/a", &[("host", "localhost"), ("sec-fetch-site", "cross-site")]), 200);
    }
}
