//! Secrets of requests are told nowhere.

use goworker_tests::daemon::Sandbox;
use goworker_tests::http_server::{HttpServer, answer};
use serde_json::json;

use crate::BINARY;
use crate::command_line::text;

/// Each is in another place.
const CANARIES: [&str; 8] = [
    "canary-header",
    "canary-token",
    "canary-user",
    "canary-password",
    "canary-query",
    "canary/in/a/long/path",
    "canary-job-header",
    "Y2FuYXJ5LXVzZXI6Y2FuYXJ5LXBhc3N3b3Jk",
];

#[test]
fn no_secret_is_told_though_the_server_repeats_them_all() {
    let server = HttpServer::start(|request| {
        let status = if request.line.contains("busy") { "503 Busy" } else { "422 No" };
        let login = "canary-user:canary-password, canary%2Fin%2Fa%2Flong%2Fpath canary/in/a/long/path ";
        answer(status, &["Location: /canary-token"], format!("{login}{} {:?}", request.line, request.headers))
    });
    let sandbox = Sandbox::new(BINARY).variable("HEADER", "canary-header").variable("RUST_LOG", "trace");
    let url = |path: &str| {
        format!("http://canary-user:canary-password@{}/canary%2Fin%2Fa%2Flong%2Fpath/{path}?key=canary-query", server.address())
    };
    sandbox.write("token", "Bearer canary-token");
    sandbox.write(
        "http.ron",
        &format!(
            r#"(
                providers: {{ "jobs": sqlite(path: "jobs.db") }},
                workers: {{
                    "http": http(
                        url: secret(env("HOOK")), allow_private: ["{}"],
                        headers: {{ "X-Api-Key": env("HEADER"), "Authorization": secret(file("{}")) }},
                    ),
                }},
                retry: (retries: 1, backoff: fixed("1ms")),
            )"#,
            server.address(),
            sandbox.path("token").display()
        ),
    );
    let sandbox = sandbox.variable("HOOK", url("hook"));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let jobs = [
        json!({ "headers": { "X-Job": "canary-job-header", "Authorization": "Bearer canary-token" } }),
        json!({ "url": url("busy"), "body": 1 }),
        json!({ "url": url("gone").replace(&server.address(), &nobody.to_string()) }),
        json!({ "url": url("x").replace("http", "ftp") }),
        json!({ "headers": { "X-Job": "canary-job-header\n" } }),
        json!({ "headers": "canary-job-header" }),
    ];
    let (mut ids, mut told) = (Vec::new(), String::new());
    for params in &jobs {
        let enqueue = |queue: &str| sandbox.run(["enqueue", queue, "--type", "http", "--params", &params.to_string()]);
        let mut enqueued = enqueue("http.ron");
        if !enqueued.status.success() {
            // Refused, and it says why. Whoever does not know the worker gets it accepted.
            told += &text(&enqueued.stderr);
            enqueued = enqueue("sqlite:jobs.db");
        }
        ids.push(text(&enqueued.stdout).trim().to_owned());
    }
    assert!(told.contains("`params.headers`: this is not of types"), "{told}");
    let run = sandbox.run(["http.ron", "--until-idle"]);
    assert!(text(&run.stdout).starts_with("6 dead"), "{}{}", text(&run.stdout), text(&run.stderr));
    assert_eq!(server.requests()[0].header("x-api-key"), "canary-header");
    let mut logins: Vec<String> = server.requests().iter().map(|request| request.header("authorization").to_owned()).collect();
    logins.sort();
    assert_eq!(logins, ["Basic Y2FuYXJ5LXVzZXI6Y2FuYXJ5LXBhc3N3b3Jk", "Basic Y2FuYXJ5LXVzZXI6Y2FuYXJ5LXBhc3N3b3Jk", "Bearer canary-token"]);

    told += &(text(&run.stdout) + &text(&run.stderr));
    // What a job itself says of its request is shown with it, and no more than that.
    let shown = sandbox.run(["jobs", "http.ron", "--format", "json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    for job in shown["jobs"].as_array().unwrap() {
        told += &job["error"].to_string();
    }
    for id in &ids {
        let show = text(&sandbox.run(["jobs", "show", "http.ron", id]).stdout);
        told.extend(
            show.lines().filter(|line| !line.contains("params") && !line.trim_start().starts_with(['"', '{', '}'])).map(str::to_owned),
        );
    }
    for wrong in ["check", "run"] {
        sandbox.write(
            "wrong.ron",
            &std::fs::read_to_string(sandbox.path("http.ron"))
                .unwrap()
                .replace("redirects", "x")
                .replace("memory", "y")
                .replace("allow_private: [", "allow_private: [\"\", "),
        );
        told += &text(&sandbox.run([wrong, "wrong.ron"]).stderr);
    }
    for canary in CANARIES {
        assert!(!told.contains(canary), "{canary} in {told}");
    }
    assert!(told.contains("answered 422") && told.contains("***"), "{told}");
}
