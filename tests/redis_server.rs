//! A real `redis-server` on a port and in a folder of its own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::leash::Leash;

/// How often another port is tried when somebody else was faster.
const PORTS: usize = 20;
/// Said once it listens and has loaded what is on disk: from then on `PING` is answered by `PONG`, not by `LOADING`.
const READY: &str = "Ready to accept connections";
const TAKEN: &str = "Address already in use";

/// What a server is started with; without any of it: on loopback, no password, nothing on disk.
#[derive(Debug, Clone, Default)]
pub struct RedisOptions {
    directives: Vec<Vec<String>>,
    password: Option<String>,
    user: Option<(String, String)>,
    tls: bool,
}

impl RedisOptions {
    /// A line of `redis.conf`, such as `["maxmemory-policy", "allkeys-lru"]`.
    #[must_use]
    pub fn directive<const N: usize>(mut self, words: [&str; N]) -> Self {
        self.directives.push(words.map(str::to_owned).to_vec());
        self
    }

    /// Every write is on disk before it is answered, so that nothing is lost by [`RedisServer::kill`].
    #[must_use]
    pub fn append_only(self) -> Self {
        self.directive(["appendonly", "yes"]).directive(["appendfsync", "always"])
    }

    /// A limit such as `"4mb"`, and what becomes of keys beyond it: `noeviction`, `allkeys-lru`, ..
    #[must_use]
    pub fn max_memory(self, limit: &str, policy: &str) -> Self {
        self.directive(["maxmemory", limit]).directive(["maxmemory-policy", policy])
    }

    /// A password for everybody. [`RedisServer::url`] has it.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// A user with rules such as `["~*", "&*", "+@all"]`. [`RedisServer::url`] is that user's;
    /// [`RedisServer::cli`] stays the administrator's, and who is neither may do nothing.
    #[must_use]
    pub fn user<const N: usize>(mut self, name: &str, password: &str, rules: [&str; N]) -> Self {
        let user = ["user", name, "on", &format!(">{password}")].map(str::to_owned);
        self.directives.push(user.into_iter().chain(rules.map(str::to_owned)).collect());
        self.user = Some((name.to_owned(), password.to_owned()));
        self.password.get_or_insert_with(|| "administrator".to_owned());
        self
    }

    /// TLS only, with a certificate for `127.0.0.1` and `localhost` of an authority made for this server.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Starts the server.
    ///
    /// # Panics
    /// When there is none, or it does not start; the message holds what it said.
    pub fn start(self) -> RedisServer {
        let folder = TempDir::new().expect("a temporary folder can be made");
        if self.tls {
            write_certificates(folder.path());
        }
        for _ in 0..PORTS {
            let port = free_port();
            match Leash::start("redis-server", &self.arguments(port, folder.path()), READY) {
                Ok(process) => return RedisServer { process: Some(process), options: self, port, folder },
                Err(said) => assert!(said.contains(TAKEN), "redis-server did not start; is it installed? It said:\n{said}"),
            }
        }
        panic!("{PORTS} ports in a row were taken by others");
    }

    /// The command line: as `redis.conf`, with `--` before each first word.
    fn arguments(&self, port: u16, folder: &Path) -> Vec<String> {
        let (plain, port, folder) = ("0", port.to_string(), folder.to_string_lossy());
        let mut lines = vec![vec!["bind", "127.0.0.1"], vec!["dir", &folder], vec!["save", ""], vec!["tcp-backlog", "128"]];
        let file = |name: &str| format!("{folder}/{name}");
        let (certificate, key) = (file("server.crt"), file("server.key"));
        if self.tls {
            lines.extend([vec!["port", plain], vec!["tls-port", &port], vec!["tls-auth-clients", "no"]]);
            lines.extend([vec!["tls-cert-file", &certificate], vec!["tls-key-file", &key]]);
        } else {
            lines.push(vec!["port", &port]);
        }
        if let Some(password) = &self.password {
            lines.push(vec!["requirepass", password]);
        }
        let own = self.directives.iter().map(|line| line.iter().map(String::as_str).collect());
        lines.into_iter().chain(own).flat_map(|line: Vec<&str>| [vec![format!("--{}", line[0])], owned(&line[1..])].concat()).collect()
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A running server, or a killed one. Gone when dropped, and when this process ends, however it does.
#[derive(Debug)]
pub struct RedisServer {
    process: Option<Leash>,
    options: RedisOptions,
    port: u16,
    folder: TempDir,
}

impl RedisServer {
    /// Starts a server without a password that keeps nothing on disk.
    pub fn start() -> Self {
        Self::options().start()
    }

    /// What to start another one with.
    pub fn options() -> RedisOptions {
        RedisOptions::default()
    }

    /// Its port on 127.0.0.1, the same after each restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where clients find it, as whom.
    pub fn url(&self) -> String {
        self.url_by(self.port)
    }

    /// The same by another port, where something stands between.
    pub fn url_by(&self, port: u16) -> String {
        let scheme = if self.options.tls { "rediss" } else { "redis" };
        let who = match (&self.options.user, &self.options.password) {
            (Some((name, password)), _) => format!("{name}:{password}@"),
            (None, Some(password)) => format!(":{password}@"),
            (None, None) => String::new(),
        };
        format!("{scheme}://{who}127.0.0.1:{port}/")
    }

    /// The certificate of the authority that a client has to trust, as PEM, of a server with TLS.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.crt")
    }

    /// Where it keeps its files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it has said since its last start.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Leash::log).unwrap_or_default()
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again on the same port, in the same folder; kills it before if it runs.
    ///
    /// # Panics
    /// When it does not start; the message holds what it said.
    pub fn restart(&mut self) {
        self.kill();
        let arguments = self.options.arguments(self.port, self.folder.path());
        let began = Instant::now();
        while self.process.is_none() {
            match Leash::start("redis-server", &arguments, READY) {
                Ok(process) => self.process = Some(process),
                // An outgoing connection of another process may have the port for a moment.
                Err(said) => assert!(said.contains(TAKEN) && began.elapsed() < Duration::from_secs(10), "{said}"),
            }
        }
    }

    /// Stops it in its tracks (SIGSTOP): connections stay, and nothing is answered.
    ///
    /// # Panics
    /// When it was killed.
    pub fn stop(&self) {
        self.running().signal("STOP");
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Panics
    /// When it was killed.
    pub fn cont(&self) {
        self.running().signal("CONT");
    }

    /// The number of its process.
    ///
    /// # Panics
    /// When it was killed.
    pub fn pid(&self) -> u32 {
        self.running().pid()
    }

    fn running(&self) -> &Leash {
        self.process.as_ref().expect("the server runs")
    }

    /// Runs one command as the administrator; answers what `redis-cli` prints, an error of the server included.
    ///
    /// # Panics
    /// When the server cannot be reached.
    pub fn cli(&self, command: &[&str]) -> String {
        self.try_cli(command).unwrap_or_else(|trouble| panic!("redis-cli {command:?}: {trouble}"))
    }

    /// The same, for a server that may close its connections just now.
    ///
    /// # Errors
    /// What `redis-cli` prints when the server cannot be reached.
    pub fn try_cli(&self, command: &[&str]) -> Result<String, String> {
        let mut cli = Command::new("redis-cli");
        cli.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        if self.options.tls {
            cli.arg("--tls").arg("--cacert").arg(self.authority());
        }
        if let Some(password) = &self.options.password {
            cli.env("REDISCLI_AUTH", password);
        }
        let output = cli.args(command).output().expect("redis-cli is installed");
        let (said, trouble) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() { Ok(said.trim_end().to_owned()) } else { Err(format!("{said}{trouble}")) }
    }
}

/// A port that nobody has now: below those that systems give to outgoing connections, and so that 10,000 more, where a
/// node of a cluster talks to the others, is below them too.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(12_000..22_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// An authority (`authority.crt`), and a certificate by it (`server.crt`, `server.key`).
fn write_certificates(folder: &Path) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "the tests' authority");
    let authority_key = KeyPair::generate().unwrap();
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let certificate = server.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
    let write = |name, text: String| std::fs::write(folder.join(name), text).expect("files can be written");
    write("authority.crt", authority_certificate.pem());
    write("server.crt", certificate.pem());
    write("server.key", key.serialize_pem());
}
