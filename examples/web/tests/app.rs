//! What a daemon does with the jobs of the application.

use goworker::testing::Pipeline;
use insta::assert_snapshot;

#[test]
fn a_quote_is_made_and_an_empty_order_is_not_tried_again() {
    let mut app = Pipeline::load("app.ron");
    app.feed(r#"{"type": "lua", "name": "quote", "params": {"pieces": 2}}"#);
    app.feed(r#"{"type": "lua", "name": "quote", "params": {"pieces": 0}}"#);
    assert_snapshot!(app.run(), @r#"
    t+0.000s  jobs  accepted   lua/quote #1
    t+0.000s  jobs  accepted   lua/quote #2
    t+0.000s  jobs  delivered  lua/quote #1
    t+0.000s  jobs  delivered  lua/quote #2
    t+0.000s  lua   attempt 1  lua/quote #1  done {"price":19}
    t+0.000s  lua   attempt 1  lua/quote #2  dead: nothing is ordered
    "#);
}
