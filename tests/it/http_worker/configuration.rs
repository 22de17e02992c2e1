//! Mistakes in the settings, each told at its place.

use goworker_tests::daemon::Sandbox;

use crate::BINARY;
use crate::command_line::text;

#[test]
fn mistakes_are_told_where_they_are() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write(
        "http.ron",
        r#"(
    providers: { "jobs": memory() },
    workers: {
        "one": http(allow_private: ["10.0.0.0/8", "http://localhost:8080", "10.0.0.0/64"], timeout: 5),
        "two": http(url: "hooks.example.com/hush", redirects: 99, response_limit: 1000),
        "three": http(headers: {"Host": "hush"}, proxy: "socks5://user:hush@proxy:1080", keep_headers: ["x request id"]),
        "four": http(headers: {"X-A": "hush\n"}, alow_private: []),
    },
)"#,
    );
    let output = sandbox.run(["check", "http.ron"]);
    let told = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{told}");
    assert!(!told.contains("hush"), "{told}");
    insta::assert_snapshot!(told);
}

#[test]
fn what_cannot_work_is_told_at_the_start() {
    let sandbox = Sandbox::new(BINARY);
    let start = |settings: &str| {
        sandbox.write("http.ron", &format!(r#"(providers: {{ "jobs": memory() }}, workers: {{ "http": http({settings}) }})"#));
        let output = sandbox.run(["http.ron", "--until-idle"]);
        assert_ne!(output.status.code(), Some(0));
        text(&output.stderr).replace(sandbox.folder().to_str().unwrap(), "FOLDER")
    };
    sandbox.write("empty.pem", "");
    let told = [start(r#"url: "http://10.0.0.1/hush""#), start(r#"ca: "missing.pem""#), start(r#"ca: "empty.pem""#)].join("\n");
    assert!(!told.contains("hush"), "{told}");
    insta::assert_snapshot!(told);
}
