//! A Redis master, its replica, and the sentinels that watch over them.

use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::daemon::wait_until;
use crate::leash::Leash;
use crate::redis_server::{RedisServer, free_port};

/// What clients ask the sentinels for.
pub const MASTER: &str = "main";
/// Said by a sentinel that listens and watches.
const READY: &str = "+monitor master";

/// A master and a replica under sentinels.
#[derive(Debug)]
pub struct RedisSentinel {
    servers: [RedisServer; 2],
    sentinels: Vec<(u16, Leash, TempDir)>,
}

impl RedisSentinel {
    /// Starts a master, its replica and so many sentinels, and waits until all know each other.
    ///
    /// # Panics
    /// When they do not find each other in time.
    pub fn start(sentinels: usize) -> Self {
        let master = RedisServer::start();
        let replica = RedisServer::options().directive(["replicaof", "127.0.0.1", &master.port().to_string()]).start();
        let sentinels = (0..sentinels).map(|_| sentinel(master.port(), sentinels / 2 + 1)).collect();
        let group = RedisSentinel { servers: [master, replica], sentinels };
        wait_until("all know each other", Duration::from_secs(30), || group.knows_itself());
        group
    }

    fn knows_itself(&self) -> bool {
        let others = self.sentinels.len() - 1;
        let replica_follows = self.servers[1].cli(&["INFO", "replication"]).contains("master_link_status:up");
        replica_follows
            && self.sentinels.iter().all(|(port, ..)| {
                let master = ask(*port, &["SENTINEL", "MASTER", MASTER]);
                master.contains("num-slaves\n1\n") && master.contains(&format!("num-other-sentinels\n{others}\n"))
            })
    }

    /// Where clients find each sentinel.
    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(|(port, ..)| format!("redis://127.0.0.1:{port}/")).collect()
    }

    /// The port of the master, as the first sentinel tells it.
    pub fn master_port(&self) -> u16 {
        let told = ask(self.sentinels[0].0, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER]);
        told.lines().nth(1).and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("no address of a master: {told}"))
    }

    /// The two servers, the first master first, to be killed and asked one by one.
    pub fn servers(&mut self) -> &mut [RedisServer; 2] {
        &mut self.servers
    }

    /// Has the replica promoted, and waits until the first sentinel names it and it takes writes.
    ///
    /// # Panics
    /// When that does not happen in time.
    pub fn failover(&self) {
        let before = self.master_port();
        let said = ask(self.sentinels[0].0, &["SENTINEL", "FAILOVER", MASTER]);
        assert_eq!(said, "OK", "the sentinel promotes the replica");
        wait_until("another server is master", Duration::from_secs(30), || {
            let now = self.master_port();
            now != before && self.servers.iter().any(|server| server.port() == now && server.cli(&["ROLE"]).starts_with("master"))
        });
    }
}

/// One sentinel. It rewrites its configuration, hence a file of its own.
fn sentinel(master: u16, quorum: usize) -> (u16, Leash, TempDir) {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let (file, place) = (folder.path().join("sentinel.conf"), folder.path().display());
    loop {
        let port = free_port();
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {place}\nsentinel monitor {MASTER} 127.0.0.1 {master} {quorum}\n\
             sentinel down-after-milliseconds {MASTER} 500\nsentinel failover-timeout {MASTER} 5000\n"
        );
        std::fs::write(&file, text).expect("files can be written");
        match Leash::start("redis-server", &[file.as_os_str(), "--sentinel".as_ref()], READY) {
            Ok(process) => return (port, process, folder),
            Err(said) => assert!(said.contains("Address already in use"), "{said}"),
        }
    }
}

fn ask(port: u16, command: &[&str]) -> String {
    let output = Command::new("redis-cli").args(["-p", &port.to_string()]).args(command).output().expect("redis-cli is installed");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}
