//! HTTP as users speak it, by `curl`, and as nobody should, by the byte.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Its head, lower case.
    pub head: String,
    /// Its body.
    pub body: String,
}

impl Reply {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The body, which is JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// What `curl` gets, with these arguments.
///
/// # Panics
/// When it gets nothing.
pub fn curl<const N: usize>(arguments: [&str; N]) -> Reply {
    try_curl(arguments).unwrap_or_else(|said| panic!("curl {arguments:?}: {said}"))
}

/// The same, or what `curl` says if it gets nothing.
///
/// # Errors
/// When it gets nothing.
pub fn try_curl<const N: usize>(arguments: [&str; N]) -> Result<Reply, String> {
    // Interim answers are not what is asked for.
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--include", "--max-time", "60", "--noproxy", "*", "--header", "Expect:"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("curl runs");
    if output.status.success() { Ok(parse(&output.stdout)) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Sends bytes as they are; answers all that comes back until the server closes, or says nothing for a second.
///
/// # Panics
/// When nobody listens.
pub fn raw(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(Duration::from_secs(1))).expect("it can be set");
    // Who is refused early may not get everything across.
    let _refused_early = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn parse(bytes: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Reply { status, head: head.replace('\r', "").to_ascii_lowercase(), body: body.to_owned() }
}
