//! `goworker import`: configurations of GoWorker, taken over, checked, and run.

use std::time::Duration;

use goworker_tests::daemon::{Sandbox, wait_until};
use goworker_tests::http::curl;
use goworker_tests::redis_server::RedisServer;
use serde_json::{Value, json};

use crate::BINARY;
use crate::command_line::text;

/// What GoWorker's sample configuration sets, all of it.
const SAMPLE: &str = include_str!("goworker/config.json");
/// What people may have written, and what GoWorker made of it.
const ODD: &str = include_str!("goworker/odd.json");

/// Takes over a configuration: the new one, and what is said of it.
fn imported(sandbox: &Sandbox, json: &str) -> (String, String) {
    sandbox.write("config.json", json);
    let output = sandbox.run(["import", "config.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let ron = text(&output.stdout);
    sandbox.write("config.ron", &ron);
    (ron, text(&output.stderr))
}

/// What `check` says of the new configuration, which it has to accept.
fn checked(sandbox: &Sandbox) -> String {
    let check = sandbox.run(["check", "config.ron"]);
    assert_eq!(check.status.code(), Some(0), "{}", text(&check.stderr));
    format!("{}{}", text(&check.stderr), text(&check.stdout))
}

/// What is wrong with a configuration of which nothing can be taken over.
fn refused(json: &str) -> String {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("config.json", json);
    let output = sandbox.run(["import", "config.json"]);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(78), ""), "{}", text(&output.stderr));
    text(&output.stderr)
}

#[test]
fn the_sample_configuration_is_taken_over_and_every_change_is_told() {
    let sandbox = Sandbox::new(BINARY);
    let (ron, said) = imported(&sandbox, SAMPLE);
    insta::assert_snapshot!("sample_ron", ron);
    insta::assert_snapshot!("sample_said", format!("{said}---\n{}", checked(&sandbox)));
}

#[test]
fn what_was_unusual_is_taken_over_as_far_as_it_can_be_and_the_rest_is_told_loudly() {
    let sandbox = Sandbox::new(BINARY);
    let (ron, said) = imported(&sandbox, ODD);
    assert!(!format!("{ron}{said}").contains("hunter2"));
    insta::assert_snapshot!("odd_ron", ron);
    insta::assert_snapshot!("odd_said", format!("{said}---\n{}", checked(&sandbox)));
}

#[test]
fn names_are_read_as_go_read_them() {
    let sandbox = Sandbox::new(BINARY);
    let json = r#"{"Providers": [{"redis": {"HOST": "a", "host": "b", "Job_List": "x", "target": null}}], "workers": null, "failure_handler": []}"#;
    let (ron, said) = imported(&sandbox, json);
    assert!(ron.contains(r#"redis(url: "redis://b:6379", list: "x")"#), "{ron}");
    assert!(said.contains("`HOST` is given twice; as in GoWorker, the last one counts"), "{said}");
    assert!(checked(&sandbox).contains("there are no workers"));
}

#[test]
fn two_providers_of_one_bucket_become_one_queue() {
    let sandbox = Sandbox::new(BINARY);
    let disk = r#"{"disk": {"db_name": "my.db", "bucket": "b", "target": 5}}"#;
    let (ron, said) = imported(&sandbox, &format!(r#"{{"providers": [{disk}, {disk}], "workers": [{disk}, {{"cli": {{}}}}]}}"#));
    assert_eq!(ron.matches("sqlite(").count(), 1, "{ron}");
    assert!(said.contains("another provider has this bucket, which is `b`; one queue is enough"), "{said}");
    checked(&sandbox);
}

#[test]
fn an_empty_configuration_becomes_one_that_runs() {
    let sandbox = Sandbox::new(BINARY);
    imported(&sandbox, "{}");
    checked(&sandbox);
    let run = sandbox.run(["run", "config.ron", "--until-idle"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
}

#[test]
fn what_is_no_configuration_is_told_with_its_place_and_nothing_is_written() {
    let told = [
        "{\n    \"providers\": [\n        {\"redis\": {\"host\": \"localhost\", \"port\": \"6379\",}}\n    ]\n}\n",
        "{\n    \"providers\": {\"redis\": {}},\n    \"workers\": [{\"cli\": {\"workers\": \"many\"}}, 7, {\"http\": []}],\n    \"stats_port\": {\"a\": \"é\"}, \"failure_handler\": [{\"file\": {\"raw\": \"yes\"}}]\n}\n",
        "{\"providers\": [",
        "",
        "[]",
    ];
    insta::assert_snapshot!(told.map(refused).join("\n"));
    let deep = format!("{{\"providers\": {}1{}}}", "[".repeat(1_000), "]".repeat(1_000));
    assert!(refused(&deep).contains("expected an object"));
    assert!(refused("{\"providers\": \"\u{1}\"}").contains("control character"));
}

#[test]
fn each_of_the_two_kinds_of_file_is_told_from_the_other() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("config.json", SAMPLE);
    let run = sandbox.run(["config.json"]);
    assert_eq!(run.status.code(), Some(78));
    insta::assert_snapshot!(format!("{}\n{}", text(&run.stderr), refused("(\n    providers: {},\n)\n")));
}

#[test]
fn no_mutation_of_a_configuration_panics_or_becomes_one_that_is_refused() {
    let sandbox = Sandbox::new(BINARY);
    // Each is a process of its own, so these are some of them only.
    for at in (0..ODD.len()).step_by(97) {
        for with in ["\"", "null", "\\n", "}"] {
            sandbox.write("config.json", &format!("{}{with}{}", &ODD[..at], &ODD[at + 1..]));
            let output = sandbox.run(["import", "config.json", "-o", "config.ron", "--force"]);
            match output.status.code() {
                Some(0) => _ = checked(&sandbox),
                code => assert_eq!(code, Some(78), "{at} {with}: {}", text(&output.stderr)),
            }
        }
    }
}

#[test]
fn a_file_that_is_there_stays_unless_told_otherwise() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("config.json", SAMPLE);
    sandbox.write("config.ron", "mine");
    let told = |arguments: &[&str]| {
        let output = sandbox.run(["import", "config.json"].iter().chain(arguments));
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, _, said) = told(&["-o", "config.ron"]);
    assert_eq!((code, sandbox.read("config.ron").as_str()), (Some(2), "mine"));
    assert!(said.contains("config.ron is there already, and stays as it is; `--force` overwrites it"), "{said}");
    let (code, _, said) = told(&["-o", "./config.json", "--force"]);
    assert_eq!((code, sandbox.read("config.json").as_str()), (Some(2), SAMPLE), "{said}");
    let (code, stdout, said) = told(&["-o", "config.ron", "--force"]);
    assert_eq!((code, stdout.as_str()), (Some(0), ""), "{said}");
    assert!(sandbox.read("config.ron").contains("providers: {") && said.ends_with("Next: `goworker check config.ron`\n"), "{said}");
    assert_eq!(told(&["-o", "nowhere/at/all.ron"]).0, Some(1));
}

#[test]
fn jobs_pushed_to_the_list_run_from_an_imported_configuration_with_retries_to_the_failure_handler() {
    let server = RedisServer::start();
    let sandbox = Sandbox::new(BINARY);
    let json = json!({
        "stats_port": "127.0.0.1:0",
        "providers": [{ "redis": { "host": "127.0.0.1", "port": server.port().to_string(), "job_list": "job_list", "target": 1000,
                                   "dump_on_limit": true, "memory_limit": "2G" } }],
        "workers": [{ "cli": { "workers": 2 } }],
        "failure_handler": [{ "file": { "name": "failure", "root_folder": "failures", "raw": true } }],
    });
    imported(&sandbox, &json.to_string());
    let push = |job: &Value| server.cli(&["LPUSH", "job_list", &job.to_string()]);
    // As GoWorker's producers write them: the command by its name, and the output asked for.
    push(&json!({ "name": "date", "type": "cli", "params": { "command": "echo", "params": ["moved", "over"] }, "capture_output": true }));
    push(
        &json!({ "name": "bad", "type": "cli", "params": { "command": "sh", "params": ["-c", "echo no paper >&2; exit 3"] }, "retries": 1 }),
    );
    let run = sandbox.run(["run", "config.ron", "--until-idle"]);
    assert_eq!(run.status.code(), Some(1), "{}", text(&run.stderr));
    assert!(text(&run.stderr).contains("`allow: any`: whoever can give jobs in can run any command"), "{}", text(&run.stderr));

    let jobs = sandbox.run(["jobs", "config.ron", "--type", "cli", "--format", "json"]);
    let jobs: Value = serde_json::from_slice(&jobs.stdout).unwrap();
    let of = |name: &str| jobs["jobs"].as_array().unwrap().iter().find(|job| job["name"] == name).unwrap().clone();
    assert_eq!((&of("date")["state"], &of("date")["output"]), (&json!("done"), &json!("moved over\n")));
    assert_eq!((&of("bad")["state"], &of("bad")["attempt"]), (&json!("dead"), &json!(2)));
    let failure: Value = serde_json::from_str(&sandbox.read("failures.jsonl")).unwrap();
    let failed = &failure["job"]["params"]["failed"];
    assert_eq!((&failed["job"]["name"], &failed["error"]["message"]), (&json!("bad"), &json!("sh exited with 3: no paper")));
}

#[test]
fn a_request_to_the_old_path_is_answered_with_the_output_and_jobs_for_later_are_stored() {
    let sandbox = Sandbox::new(BINARY);
    let json = json!({
        "stats_port": "127.0.0.1:0",
        "providers": [{ "http": { "listen_on": "127.0.0.1:0", "endpoint": "/job/add" } },
                      { "disk": { "name": "later", "db_name": "my.db", "bucket": "job_list" } }],
        "workers": [{ "cli": {} }, { "disk": { "db_name": "my.db", "bucket": "job_list" } }],
    });
    imported(&sandbox, &json.to_string());
    let daemon = sandbox.start(["--log", "json", "config.ron"]);
    let url = format!("http://{}/job/add", daemon.address("http"));
    let job = json!({ "name": "hello", "type": "cli", "params": { "command": "echo", "params": ["hello"] }, "capture_output": true });
    let reply = curl([&url, "--data", &job.to_string()]);
    assert_eq!((reply.status, reply.body.as_str()), (200, "hello\n"));
    let later = json!({ "name": "later", "type": "disk", "params": { "exicution_time": 1, "job": job } });
    assert_eq!(curl([&url, "--data", &later.to_string()]).status, 200);
    wait_until("both have run", Duration::from_secs(20), || {
        let jobs = sandbox.run(["jobs", "config.ron", "--type", "cli", "--state", "done", "--format", "json"]);
        serde_json::from_slice::<Value>(&jobs.stdout).is_ok_and(|jobs| jobs["jobs"].as_array().is_some_and(|jobs| jobs.len() == 2))
    });
}
