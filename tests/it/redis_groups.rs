//! Redis servers that stand together: a cluster, and a master with a replica under sentinels.

use goworker_tests::redis_cluster::RedisCluster;
use goworker_tests::redis_sentinel::{MASTER, RedisSentinel};
use redis::AsyncCommands;
use redis::cluster::ClusterClient;
use redis::sentinel::Sentinel;

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
