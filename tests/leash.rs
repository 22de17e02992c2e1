//! A server as a child process that does not outlive this one, not even when this one is killed by `kill -9`.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a server may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(30);
/// Starts the server, which tells its process number before it says anything itself, lets go of its output, and waits for the end
/// of its own input, which is the end of whoever held the other side. The server is not waited for until then, so its number stays its own.
const LEASH: &str =
    r#"sh -c 'echo $$; exec "$@"' server "$@" </dev/null 2>&1 & server=$!; exec >/dev/null 2>&1; cat; kill -9 "$server"; wait"#;

/// A running server, or one that has ended by itself. Killed when dropped.
#[derive(Debug)]
pub struct Leash {
    /// The shell that holds the server. Its input is the leash.
    shell: Child,
    pid: u32,
    log: Arc<Mutex<String>>,
}

impl Leash {
    /// Starts a program and waits until its output has a line with `ready` in it.
    ///
    /// # Errors
    /// All it said, if it ended before it was ready.
    ///
    /// # Panics
    /// When it is neither ready nor at its end in time.
    pub fn start(program: &str, arguments: &[impl AsRef<OsStr>], ready: &'static str) -> Result<Self, String> {
        let mut shell = Command::new("sh")
            .args(["-c", LEASH, "leash", program])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh runs");
        let mut output = BufReader::new(shell.stdout.take().expect("it is piped"));
        let mut pid = String::new();
        output.read_line(&mut pid).expect("its output can be read");
        let pid = pid.trim().parse().unwrap_or_else(|_| panic!("{program} said before its process number: {pid}"));
        let log = Arc::new(Mutex::new(String::new()));
        let (news, ended) = channel();
        let heard = Arc::clone(&log);
        std::thread::spawn(move || listen(output, &heard, ready, &news));
        let leash = Leash { shell, pid, log };
        match ended.recv_timeout(PATIENCE) {
            Ok(true) => Ok(leash),
            Ok(false) => Err(leash.log()),
            Err(_) => panic!("{program} is not ready after {PATIENCE:?}; it said:\n{}", leash.log()),
        }
    }

    /// The number of the server's process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a signal by its name: `STOP`, `CONT`, `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid.to_string()]).status().expect("kill runs");
        assert!(status.success(), "signal {name} could not be sent");
    }
}

/// Keeps what a server says; tells when it is ready (`true`) and, if it never was, when it has ended (`false`).
fn listen(output: impl Read, log: &Mutex<String>, ready: &str, news: &Sender<bool>) {
    for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str(&line);
        log.push('\n');
        if line.contains(ready) {
            // Later lines tell nobody: the first news was all that is waited for.
            let _nobody_listens = news.send(true);
        }
    }
    let _nobody_listens = news.send(false);
}

impl Drop for Leash {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _already_waited = self.shell.wait();
    }
}
