use super::*;
use crate::testing::{Capabilities, Time, conformance};

#[tokio::test]
async fn sqlite_keeps_the_contract_of_a_queue() {
    let capabilities = Capabilities { durable: true, time: Time::Setup };
    conformance(capabilities, |setup| Sqlite::from(SqliteConfig { path: setup.base.join("jobs.db") })).await;
}
