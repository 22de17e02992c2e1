//! The harness's bad network is as bad as it is told to be.

use std::time::Duration;

use goworker_tests::redis_server::RedisServer;
use goworker_tests::tcp_proxy::{Fault, TcpProxy, Weather};
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, AsyncConnectionConfig, Client, RedisError};

async fn connected(server: &RedisServer, proxy: &TcpProxy) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(30)));
    Client::open(server.url_by(proxy.port())).unwrap().get_multiplexed_async_connection_with_config(&config).await
}

#[tokio::test]
async fn the_nth_command_is_lost_or_its_reply() {
    let server = RedisServer::start();
    let proxy = TcpProxy::start(server.port());
    for (fault, done) in [(Fault::DropRequest, "1"), (Fault::DropReply, "2")] {
        server.cli(&["DEL", "counter"]);
        let mut connection = connected(&server, &proxy).await.unwrap();
        proxy.plan(2, fault);
        let _: () = connection.incr("counter", 1).await.unwrap();
        let broken = connection.incr::<_, _, u64>("counter", 1).await.unwrap_err();
        assert!(broken.is_connection_dropped(), "{fault:?}: {broken}");
        assert_eq!(server.cli(&["GET", "counter"]), done, "{fault:?}");
        assert_eq!(proxy.log(), ["INCRBY", "INCRBY"]);
        let _: () = connected(&server, &proxy).await.unwrap().incr("counter", 1).await.expect("only the second met with it");
    }
}

#[tokio::test]
async fn connections_are_cut_and_refused() {
    let server = RedisServer::start();
    let proxy = TcpProxy::start(server.port());
    let mut connection = connected(&server, &proxy).await.unwrap();
    let _: () = connection.set("key", "value").await.unwrap();
    proxy.set(Weather::Refuse);
    assert!(connected(&server, &proxy).await.is_err());
    let _: String = connection.get("key").await.expect("an old connection goes on");
    proxy.cut();
    assert!(connection.get::<_, String>("key").await.is_err());
    proxy.set(Weather::Fair);
    let _: String = connected(&server, &proxy).await.unwrap().get("key").await.unwrap();
}

#[tokio::test]
async fn commands_are_late_or_swallowed() {
    let server = RedisServer::start();
    let proxy = TcpProxy::start(server.port());
    let mut connection = connected(&server, &proxy).await.unwrap();
    proxy.set(Weather::Delay(Duration::from_millis(60)));
    let began = std::time::Instant::now();
    let _: () = connection.set("key", "value").await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(60));
    proxy.set(Weather::BlackHole);
    connection.set_response_timeout(Duration::from_millis(50));
    assert!(connection.del::<_, ()>("key").await.unwrap_err().is_timeout());
    assert_eq!(server.cli(&["GET", "key"]), "value", "the server has not heard of it");
}
