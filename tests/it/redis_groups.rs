//! `redis` on servers that stand together, a cluster or a master with a replica under sentinels, and on one with TLS.

use std::time::Duration;

use goworker::testing::conformance::Suite;
use goworker::{QueueHandle, Setup};
use goworker_tests::queues::queue;
use goworker_tests::redis_cluster::RedisCluster;
use goworker_tests::redis_sentinel::{MASTER, RedisSentinel};
use goworker_tests::redis_server::RedisServer;
use redis::AsyncCommands;
use redis::cluster::ClusterClient;
use redis::sentinel::Sentinel;

use crate::redis_faults::Stage;

async fn opened(entry: &str) -> anyhow::Result<QueueHandle> {
    let setup = Setup::new("jobs", ".");
    queue(entry, &setup).start(&setup).await
}

async fn refused(entry: &str) -> String {
    format!("{:#}", opened(entry).await.map(|_| ()).unwrap_err())
}

#[tokio::test]
async fn a_cluster_of_three_serves_every_slot() {
    let mut cluster = RedisCluster::start();
    let mut connection = ClusterClient::new(cluster.urls()).unwrap().get_async_connection().await.unwrap();
    for key in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let _: () = connection.set(key, "value").await.unwrap();
    }
    let held = cluster.nodes().iter().filter(|node| node.cli(&["DBSIZE"]) != "0").count();
    assert_eq!(held, 3, "the keys are on all nodes");
}

#[test]
fn redis_keeps_the_contract_on_a_cluster_of_which_it_knows_one_node() {
    let mut cluster = RedisCluster::start();
    let url = cluster.nodes()[1].url();
    Suite::new(move |setup| queue(&format!("redis(url: \"{url}\")"), setup)).run();
    assert!(cluster.nodes().iter().all(|node| node.cli(&["DBSIZE"]) != "0"), "the queues were on all nodes");
}

#[tokio::test]
async fn a_queue_moves_from_node_to_node_of_a_cluster() {
    let mut cluster = RedisCluster::start();
    let ports: Vec<String> = cluster.nodes().iter().map(|node| node.port().to_string()).collect();
    let stage = Stage::at(&format!("redis://127.0.0.1:1,127.0.0.1:{},127.0.0.1:{}", ports[0], ports[1])).await;
    stage.works().await;

    let nodes = cluster.nodes();
    let slot = nodes[0].cli(&["CLUSTER", "KEYSLOT", "{goworker:jobs}:layout"]);
    let keys = |from: usize| nodes[from].cli(&["CLUSTER", "GETKEYSINSLOT", &slot, "1000"]);
    let from = (0..3).find(|node| !keys(*node).is_empty()).unwrap();
    let to = (from + 1) % 3;
    let [source, target] = [from, to].map(|node| nodes[node].cli(&["CLUSTER", "MYID"]));
    assert_eq!(nodes[to].cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source]), "OK");
    assert_eq!(nodes[from].cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target]), "OK");
    let job = async { stage.works().await };
    let migration = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let moved = keys(from);
        for key in moved.lines() {
            nodes[from].cli(&["MIGRATE", "127.0.0.1", &ports[to], key, "0", "5000"]);
            tokio::task::yield_now().await;
        }
        assert!(moved.contains("{goworker:jobs}:jobs"), "{moved}");
        while !keys(from).is_empty() {
            let left = keys(from);
            left.lines().for_each(|key| _ = nodes[from].cli(&["MIGRATE", "127.0.0.1", &ports[to], key, "0", "5000"]));
        }
        for node in [to, from, 3 - to - from] {
            assert_eq!(nodes[node].cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &target]), "OK");
        }
    };
    tokio::join!(job, migration);
    stage.works().await;
    assert!(!keys(to).is_empty());
    stage.ends_well().await;
}

#[tokio::test]
async fn sentinels_name_the_new_master_after_a_failover() {
    let group = RedisSentinel::start(3);
    let before = group.master_port();
    group.failover();
    assert_ne!(group.master_port(), before);
    let mut sentinels = Sentinel::build(group.urls()).unwrap();
    let client = sentinels.async_master_for(MASTER, None).await.unwrap();
    let _: () = client.get_multiplexed_async_connection().await.unwrap().set("key", "value").await.unwrap();
}

/// The URL of a group, with a sentinel that is not there.
fn watched(group: &RedisSentinel, master: &str) -> String {
    let urls = group.urls();
    let hosts = urls.iter().map(|url| url.trim_start_matches("redis://").trim_end_matches('/'));
    format!("redis+sentinel://127.0.0.1:1,{}/{master}", hosts.collect::<Vec<_>>().join(","))
}

#[test]
fn redis_keeps_the_contract_behind_sentinels() {
    let group = RedisSentinel::start(1);
    let url = watched(&group, MASTER);
    Suite::new(move |setup| queue(&format!("redis(url: \"{url}\")"), setup)).run();
}

#[tokio::test]
async fn work_goes_on_with_the_new_master() {
    let mut group = RedisSentinel::start(3);
    let stage = Stage::at(&watched(&group, MASTER)).await;
    stage.works().await;
    let before = group.master_port();
    group.failover();
    stage.works().await;
    assert_ne!(group.master_port(), before);
    // And back again, because the new one dies.
    let now = group.master_port();
    let follows = |server: &RedisServer| server.port() == before && server.try_cli(&["ROLE"]).is_ok_and(|role| role.contains("connected"));
    let replica_follows = || group.servers().iter().any(follows);
    goworker_tests::daemon::wait_until("the old master follows", Duration::from_secs(30), replica_follows);
    group.servers().iter_mut().find(|server| server.port() == now).unwrap().kill();
    stage.works().await;
    assert_eq!(group.master_port(), before);
}

#[tokio::test]
async fn a_master_that_no_sentinel_knows_is_told() {
    let group = RedisSentinel::start(1);
    let url = watched(&group, "mian");
    let told = refused(&format!("redis(url: \"{url}\")")).await;
    assert!(told.contains("`mian` of the sentinels 127.0.0.1:1, "), "{told}");
    assert!(told.contains("they know no master of this name"), "{told}");
}

#[tokio::test]
async fn sentinels_that_want_a_login_get_that_of_the_servers() {
    let mut group = RedisSentinel::start(1);
    let url = watched(&group, MASTER);
    let sentinel = redis::Client::open(&*group.urls()[0]).unwrap();
    let mut sentinel = sentinel.get_multiplexed_async_connection().await.unwrap();
    let mut login = redis::cmd("ACL");
    let _: () = login.arg("SETUSER").arg("default").arg("resetpass").arg(">sesame").query_async(&mut sentinel).await.unwrap();
    group.servers().iter().for_each(|server| _ = server.cli(&["CONFIG", "SET", "requirepass", "sesame"]));
    let with = |password: &str| format!("redis(url: \"{}\")", url.replace("://", &format!("://:{password}@")));
    opened(&with("sesame")).await.unwrap();
    let told = refused(&with("hunter2")).await;
    assert!(told.contains("refuses the login") && !told.contains("hunter2"), "{told}");
}

#[test]
fn redis_keeps_the_contract_with_tls() {
    let server = RedisServer::options().tls().password("sesame").start();
    let entry = format!("redis(url: \"{}\", ca: \"{}\")", server.url(), server.authority().display());
    Suite::new(move |setup| queue(&entry, setup)).run();
    assert_ne!(server.cli(&["DBSIZE"]), "0");
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_told_at_once() {
    let server = RedisServer::options().tls().start();
    let (url, place) = (server.url(), format!("127.0.0.1:{}", server.port()));
    let began = std::time::Instant::now();
    let told = refused(&format!("redis(url: \"{url}\")")).await;
    assert!(told.contains(&format!("Redis at {place} shows a certificate that is not trusted")), "{told}");
    assert!(told.contains("`ca` names the file of another authority"), "{told}");
    assert!(began.elapsed() < Duration::from_secs(5), "trying again would not help");
}

#[tokio::test]
async fn an_authority_that_cannot_be_is_told() {
    let server = RedisServer::options().tls().start();
    let (url, folder) = (server.url(), server.folder().display());
    let absent = refused(&format!("redis(url: \"{url}\", ca: \"{folder}/absent.crt\")")).await;
    assert!(absent.contains(&format!("`ca`: {folder}/absent.crt cannot be read")), "{absent}");
    let key = refused(&format!("redis(url: \"{url}\", ca: \"{folder}/server.key\")")).await;
    assert!(key.contains("server.key has no certificate in it; one begins with `-----BEGIN CERTIFICATE-----`"), "{key}");
    let plain = refused(&format!("redis(url: \"redis://127.0.0.1:1\", ca: \"{folder}/authority.crt\")")).await;
    assert!(plain.contains("write `rediss://` instead of `redis://`, or no `ca`"), "{plain}");
}
