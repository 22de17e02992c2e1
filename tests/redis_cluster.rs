//! Three Redis servers as one cluster.

use std::time::Duration;

use crate::daemon::wait_until;
use crate::redis_server::RedisServer;

/// Three masters without replicas; the slots are divided evenly among them.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts the nodes and waits until each of them knows the cluster as whole.
    ///
    /// # Panics
    /// When they do not find together in time.
    pub fn start() -> Self {
        let node = RedisServer::options().directive(["cluster-enabled", "yes"]).directive(["cluster-node-timeout", "2000"]);
        let nodes: Vec<RedisServer> = (0..3).map(|_| node.clone().start()).collect();
        let addresses: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        let create = ["--cluster", "create", &addresses[0], &addresses[1], &addresses[2], "--cluster-yes"];
        nodes[0].cli(&create);
        let whole = || nodes.iter().all(|node| node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
        wait_until("the cluster is whole", Duration::from_secs(30), whole);
        RedisCluster { nodes }
    }

    /// Where clients find each node.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    /// The nodes, to be killed and asked one by one.
    pub fn nodes(&mut self) -> &mut [RedisServer] {
        &mut self.nodes
    }
}
