//! What the shop does, as timelines. Hours pass in milliseconds, the database stays untouched, and every run is the same.
//!
//! The expectations were written by insta: `cargo insta test --accept -p tested-pipeline`.

use goworker::testing::Pipeline;
use insta::assert_snapshot;

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/shop.ron");

#[test]
fn an_order_is_charged() {
    let mut shop = Pipeline::load(SHOP);
    shop.feed(r#"{"type": "lua", "name": "charge", "params": {"card": "1234", "amount": 20}}"#);
    assert_snapshot!(shop.run(), @r#"
    t+0.000s  orders  accepted   lua/charge #1
    t+0.000s  orders  delivered  lua/charge #1
    t+0.000s  lua     attempt 1  lua/charge #1  done {"charged":20}
    "#);
}

#[test]
fn who_cannot_pay_is_asked_again_and_then_told() {
    let mut shop = Pipeline::load(SHOP);
    let order = r#"{"id": "order-17", "type": "lua", "name": "charge", "params": {"card": "1234", "amount": 9999}}"#;
    shop.feed(order);
    // A producer that is not sure sends it again.
    shop.feed(order);
    assert_snapshot!(shop.run(), @r#"
    t+0.000s      orders  accepted       lua/charge order-17
    t+0.000s      orders  there already  lua/charge order-17
    t+0.000s      orders  delivered      lua/charge order-17
    t+0.000s      lua     attempt 1      lua/charge order-17         again in 1h: scripts/charge.lua:4: card declined: 9999 is over the limit
    t+3600.000s   orders  delivered      lua/charge order-17
    t+3600.000s   lua     attempt 2      lua/charge order-17         again in 4h: scripts/charge.lua:4: card declined: 9999 is over the limit
    t+18000.000s  orders  delivered      lua/charge order-17
    t+18000.000s  lua     attempt 3      lua/charge order-17         dead: scripts/charge.lua:4: card declined: 9999 is over the limit
    t+18000.000s  orders  accepted       lua/apologise order-17:lua
    t+18000.000s  orders  delivered      lua/apologise order-17:lua
    t+18000.000s  lua     attempt 1      lua/apologise order-17:lua  done {"after":3,"because":"scripts/charge.lua:4: card declined: 9999 is over the limit","to":"1234"}
    "#);
}

#[test]
fn a_crash_loses_no_order() {
    let mut shop = Pipeline::load(SHOP);
    shop.fault("crash the manager in lua/charge");
    shop.feed(r#"{"type": "lua", "name": "charge", "params": {"card": "1234", "amount": 20}}"#);
    assert_snapshot!(shop.run(), @r#"
    t+0.000s   orders   accepted   lua/charge #1
    t+0.000s   orders   delivered  lua/charge #1
    t+0.000s   manager  crashed
    t+30.000s  orders   delivered  lua/charge #1  after a crash
    t+30.000s  lua      attempt 1  lua/charge #1  done {"charged":20}
    "#);
}
