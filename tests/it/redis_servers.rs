//! The harness's Redis servers do what the tests of the queue rely on.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use goworker_tests::daemon::wait_until;
use goworker_tests::redis_server::RedisServer;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, Client, ErrorKind, RedisError, ServerErrorKind, TlsCertificates};

async fn connected(server: &RedisServer) -> Result<MultiplexedConnection, RedisError> {
    Client::open(server.url()).unwrap().get_multiplexed_async_connection().await
}

#[tokio::test]
async fn each_server_is_its_own() {
    let (one, other) = (RedisServer::start(), RedisServer::start());
    let _: () = connected(&one).await.unwrap().set("key", "value").await.unwrap();
    assert_eq!(one.cli(&["GET", "key"]), "value");
    assert_eq!(other.cli(&["EXISTS", "key"]), "0");
    assert_eq!(
        one.cli(&["INFO", "server"]).lines().find_map(|line| line.trim().strip_prefix("process_id:")),
        Some(&*one.pid().to_string())
    );
}

#[tokio::test]
async fn an_append_only_server_is_killed_and_has_everything() {
    let mut server = RedisServer::options().append_only().start();
    let mut connection = connected(&server).await.unwrap();
    let _: () = connection.set("key", "value").await.unwrap();
    server.kill();
    assert!(connection.get::<_, String>("key").await.is_err(), "nobody is there");
    server.restart();
    assert_eq!(connected(&server).await.unwrap().get::<_, String>("key").await.unwrap(), "value", "on the same port");
}

#[test]
fn a_server_forgets_unless_told_otherwise() {
    let mut server = RedisServer::start();
    server.cli(&["SET", "key", "value"]);
    server.restart();
    assert_eq!(server.cli(&["DBSIZE"]), "0");
}

#[test]
fn a_server_is_full_as_told() {
    let server = RedisServer::options().max_memory("2mb", "noeviction").start();
    assert_eq!(server.cli(&["CONFIG", "GET", "maxmemory-policy"]), "maxmemory-policy\nnoeviction");
    let written = (0..8).map(|n| server.cli(&["SETRANGE", &format!("key{n}"), "1000000", "x"]));
    assert!(written.into_iter().any(|said| said.starts_with("OOM command not allowed")));
}

#[tokio::test]
async fn passwords_and_users_are_asked_for() {
    let closed = RedisServer::options().password("sesame").start();
    let _: () = connected(&closed).await.unwrap().set("key", "value").await.unwrap();
    assert_eq!(closed.cli(&["GET", "key"]), "value", "the administrator has the password");
    let stranger = Client::open(format!("redis://127.0.0.1:{}/", closed.port())).unwrap();
    let refused = stranger.get_multiplexed_async_connection().await.unwrap().get::<_, Option<String>>("key").await.unwrap_err();
    assert_eq!(refused.code(), Some("NOAUTH"));

    let narrow = RedisServer::options().user("worker", "secret", ["~{jobs}:*", "+@all", "-@dangerous"]).start();
    let mut worker = connected(&narrow).await.unwrap();
    let _: () = worker.set("{jobs}:x", 1).await.unwrap();
    let refused = worker.set::<_, _, ()>("others", 1).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Server(ServerErrorKind::NoPerm));
    assert_eq!(narrow.cli(&["DBSIZE"]), "1", "the administrator may do everything");
}

#[tokio::test]
async fn tls_is_spoken_with_who_trusts_the_authority() {
    // Whoever links rustls chooses its cryptography, once a process.
    let _chosen_by_another_test = rustls::crypto::ring::default_provider().install_default();
    let server = RedisServer::options().tls().start();
    assert!(connected(&server).await.is_err(), "nobody knows the authority");
    let root_cert = Some(std::fs::read(server.authority()).unwrap());
    let client = Client::build_with_tls(server.url(), TlsCertificates { client_tls: None, root_cert }).unwrap();
    let _: () = client.get_multiplexed_async_connection().await.unwrap().set("key", "value").await.unwrap();
    assert_eq!(server.cli(&["GET", "key"]), "value");
}

#[tokio::test]
async fn a_stopped_server_answers_when_it_goes_on() {
    let server = RedisServer::start();
    let mut connection = connected(&server).await.unwrap();
    connection.set_response_timeout(Duration::from_secs(30));
    server.stop();
    let question = tokio::spawn(async move { connection.set::<_, _, String>("key", "value").await });
    let other = tokio::time::timeout(Duration::from_millis(50), connected(&server)).await;
    assert!(other.is_err(), "it is stopped");
    assert!(!question.is_finished());
    server.cont();
    assert_eq!(question.await.unwrap().unwrap(), "OK");
}

/// Runs only as a child of the test below: starts a server and waits to be killed.
#[test]
#[ignore = "the victim of the next test"]
fn holds_a_server_until_killed() {
    let server = RedisServer::start();
    server.stop();
    println!("\nserver {}", server.pid());
    // Ends with the other test at the latest.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn no_server_outlives_a_killed_test() {
    // Not by its path: a build beside this one may have replaced the file.
    let mut victim = Command::new("/proc/self/exe")
        .args(["--ignored", "--exact", "redis_servers::holds_a_server_until_killed", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
    let pid = lines.into_iter().find_map(|line| line.strip_prefix("server ").map(str::to_owned)).unwrap();
    let lives = || Command::new("kill").args(["-0", &pid]).stderr(Stdio::null()).status().unwrap().success();
    assert!(lives());
    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_until("the server is gone, though stopped", Duration::from_secs(10), || !lives());
}
