//! `config/webhooks.ron` as its readers run it, with a shop and a webhook that are there.

use goworker_tests::daemon::Sandbox;
use goworker_tests::http_server::{HttpServer, answer};
use serde_json::Value;

use crate::BINARY;
use crate::command_line::{copied, text};

#[test]
fn the_webhooks_are_called_as_the_configuration_says() {
    let shop = HttpServer::start(|request| match request.line.split(' ').next() {
        Some("GET") => answer("200 OK", &["Content-Type: application/json"], "[]"),
        _ => answer("501 Unsupported method", &[], "no POST here"),
    });
    let pager = HttpServer::start(|_| answer("200 OK", &[], "thanks"));
    let sandbox = Sandbox::new(BINARY)
        .variable("SHOP_URL", format!("http://localhost:{}/shop", shop.port()))
        .variable("SHOP_TOKEN", "Bearer sesame")
        .variable("PAGER_URL", format!("http://localhost:{}/failed/sesame", pager.port()));
    ["config", "config/calls"].into_iter().for_each(|folder| copied(&sandbox, folder));
    std::fs::create_dir(sandbox.path("config/run")).unwrap();
    let run = sandbox.run(["config/webhooks.ron", "--until-idle"]);
    let talk = text(&run.stderr);
    assert!(text(&run.stdout).starts_with("4 done, 2 dead"), "{}{talk}", text(&run.stdout));
    assert!(talk.contains("answered 501") && talk.contains("169.254.169.254 is not a public address"), "{talk}");
    assert!(!talk.contains("sesame"), "{talk}");

    let mut lines: Vec<String> =
        shop.requests().iter().map(|request| format!("{} {}", request.header("job-attempt"), request.line)).collect();
    lines.sort();
    assert_eq!(lines, ["1 GET /shop", "1 GET /shop?currency=EUR&page=1", "1 POST /shop", "2 POST /shop", "3 POST /shop"]);
    assert!(shop.requests().iter().all(|request| request.header("authorization") == "Bearer sesame"));
    let mut told: Vec<String> = pager
        .requests()
        .iter()
        .map(|request| {
            let failed: Value = serde_json::from_str(&request.body).unwrap();
            format!("{} {}", request.line, failed["job"]["name"])
        })
        .collect();
    told.sort();
    assert_eq!(told, [r#"POST /failed/sesame "metadata""#, r#"POST /failed/sesame "order""#]);
}
