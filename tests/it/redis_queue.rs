//! `redis` on real servers.

use goworker::testing::conformance::Suite;
use goworker_tests::queues::queue;
use goworker_tests::redis_server::RedisServer;

#[test]
fn redis_keeps_the_contract_of_a_queue() {
    let server = RedisServer::start();
    let url = server.url();
    Suite::new(move |setup| queue(&format!("redis(url: \"{url}\")"), setup)).run();
}
