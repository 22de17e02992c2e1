//! The client of applications: beside a daemon in another process, and in the process that runs the jobs.

use std::time::Duration;

use goworker::client::{ClientError, OpenError, WaitError};
use goworker::testing::Pipeline;
use goworker::{Change, Client, Filter, Job, JobId, Registry, State};
use goworker_tests::daemon::Sandbox;
use serde_json::json;

use crate::BINARY;

const PATIENCE: Duration = Duration::from_secs(30);

const APP: &str = r#"(
    providers: { "jobs": sqlite(path: "jobs.db") },
    workers: { "scripted": scripted() },
    retry: (retries: 1, backoff: fixed("10ms")),
)"#;

async fn told(opened: impl Future<Output = Result<Client, OpenError>>) -> String {
    opened.await.map(|_| ()).unwrap_err().to_string()
}

#[tokio::test]
async fn an_application_waits_for_what_a_daemon_does() {
    let sandbox = Sandbox::new(BINARY);
    let config = sandbox.write("app.ron", APP);
    let client = Client::open(&config).await.unwrap();
    let early = client.enqueue(Job::of("scripted").name("ok").params([1])).await.unwrap();
    let daemon = sandbox.start(["app.ron"]);
    let numbers: Vec<u64> = client.wait(&early, PATIENCE).await.unwrap().parse().unwrap();
    assert_eq!(numbers, [1], "{}", daemon.talk());

    let id = client.enqueue(Job::of("scripted").name("ok").params(json!({ "n": 9_007_199_254_740_993_u64 }))).await.unwrap();
    assert_eq!(client.wait(&id, PATIENCE).await.unwrap().json(), Some(r#"{"n":9007199254740993}"#));

    let id = client.enqueue(Job::of("scripted").name("fail")).await.unwrap();
    let dead = client.wait(&id, PATIENCE).await.unwrap_err();
    assert_eq!(dead.to_string(), format!("job `{id}` has failed for good: failed as told"));
    assert_eq!(client.get(&id).await.unwrap().unwrap().attempts.len(), 2);
    assert!(matches!(client.wait(&id, Duration::ZERO).await, Err(WaitError::Dead { .. })), "no time is needed for what has ended");

    let id = client.enqueue(Job::of("scripted").name("stop when told").timeout(PATIENCE)).await.unwrap();
    let late = client.wait(&id, Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(late.to_string(), format!("job `{id}` has not ended within 50ms"));
    client.close().await.unwrap();
    assert!(matches!(client.get(&early).await, Err(ClientError::Store { .. })), "it is closed");
    // It has run nothing, so it held nothing: only the daemon has an identity.
    let owners = std::fs::read_dir(sandbox.folder()).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().contains("-owner-")
    });
    assert_eq!(owners.count(), 1);
}

#[test]
fn a_manager_has_a_client_of_its_queues_in_memory_too() {
    let mut pipeline = Pipeline::new(r#"(providers: { "jobs": memory() }, workers: { "scripted": scripted(concurrency: 2) })"#);
    let client = pipeline.client();
    pipeline.run_until(async {
        let slow = client.enqueue(Job::of("scripted").name("sleep").params(3_600_000)).await.unwrap();
        let ok = client.enqueue(Job::of("scripted").name("ok").params("now").delay(Duration::from_secs(60))).await.unwrap();
        let began = tokio::time::Instant::now();
        assert_eq!(client.wait(&ok, PATIENCE * 10).await.unwrap().json(), Some(r#""now""#));
        assert_eq!(began.elapsed().as_secs(), 60, "told at once, without a look now and then");

        let late = client.wait(&slow, PATIENCE).await.unwrap_err();
        assert!(matches!(late, WaitError::TimedOut { .. }), "{late}");
        assert_eq!(client.cancel(&slow).await.unwrap(), Change::Requested);
        assert!(matches!(client.wait(&slow, PATIENCE).await, Err(WaitError::Cancelled(id)) if id == slow));
        assert_eq!(client.retry(&slow).await.unwrap(), Change::Changed);
        assert_eq!(client.cancel(&ok).await.unwrap(), Change::Refused(State::Done));
        assert_eq!(client.delete(&ok).await.unwrap(), Change::Changed);
        assert!(matches!(client.wait(&ok, PATIENCE).await, Err(WaitError::Absent(_))));
        assert_eq!(client.wait(&slow, PATIENCE * 200).await.unwrap().json(), None);
        assert_eq!(client.stats().await.unwrap().counts.len(), 1);
    });
}

#[tokio::test]
async fn a_job_is_stored_once_and_many_are_stored_in_order() {
    let sandbox = Sandbox::new(BINARY);
    let client = Client::open_text(APP, sandbox.path("app.ron")).await.unwrap();
    let order = || Job::of("scripted").id("order-17").params(json!({ "order": 17 }));
    assert_eq!(client.enqueue(order()).await.unwrap(), client.enqueue(order()).await.unwrap());
    let other = client.enqueue(Job::of("scripted").id("order-17")).await.unwrap_err();
    assert_eq!(other.to_string(), "queue `jobs` has another job with the id `order-17`");

    let ids = client.enqueue_all((0..2_500).map(|n| Job::of("scripted").id(format!("n-{n}")).params(n))).await.unwrap();
    assert_eq!((ids.len(), ids[1_234].as_str()), (2_500, "n-1234"));
    assert_eq!(client.list(&Filter::default()).await.unwrap().len(), 2_501);
    let bad = client.enqueue_all([Job::of("scripted"), Job::of("scripted").id("no id")]).await.unwrap_err();
    assert!(bad.to_string().starts_with("the job cannot be enqueued: jobs[1].id: `no id` is not a job id"), "{bad}");
    let partly = client.enqueue_all([Job::of("scripted").id("new"), Job::of("x").id("n-1"), Job::of("x").id("n-2")]).await.unwrap_err();
    assert_eq!(partly.to_string(), "queue `jobs` has another job with the id `n-1`, `n-2`");
    assert!(client.get(&"new".parse().unwrap()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_client_needs_to_know_the_queues_only() {
    let sandbox = Sandbox::new(BINARY);
    let text = r#"(
        providers: {
            "jobs": sqlite(path: "jobs.db"), "orders": sqlite(path: "orders.db"), "scratch": memory(),
            "mail": imap(host: "mail.example", into: "jobs"), "inbox": folder(path: "inbox", into: "jobs"),
        },
        workers: { "resize": resize(quality: 85), "lua": lua(wrong: true) },
        failure_handlers: ["attic"],
    )"#;
    let client = Client::open_text(text, sandbox.path("app.ron")).await.unwrap();
    let names: Vec<&str> = client.queues().iter().map(goworker::client::OpenQueue::name).collect();
    assert_eq!((names, client.left_out()), (vec!["jobs", "orders"], ["scratch".to_owned()].as_slice()));
    let id: JobId = client.queue("orders").unwrap().enqueue(Job::of("resize")).await.unwrap();
    assert!(client.queue("jobs").unwrap().get(&id).await.unwrap().is_none());

    let several = client.enqueue(Job::of("resize")).await.unwrap_err().to_string();
    let named = ["order", "scratch", "mail", "inbox"].map(|name| client.queue(name).unwrap_err().to_string());
    let errors = [vec![several], named.to_vec()].concat();
    let errors: Vec<String> = errors.iter().map(|error| error.replace(&sandbox.folder().display().to_string(), "FOLDER")).collect();
    insta::assert_snapshot!(errors.join("\n"));
}

#[tokio::test]
async fn a_queue_can_be_named_by_a_url() {
    let sandbox = Sandbox::new(BINARY);
    let url = format!("sqlite://{}", sandbox.path("jobs.db").display());
    let client = Client::connect(&url).await.unwrap();
    let id = client.enqueue(Job::of("scripted").name("ok")).await.unwrap();
    sandbox.write("app.ron", APP);
    assert!(sandbox.run(["app.ron", "--until-idle"]).status.success());
    client.wait(&id, PATIENCE).await.unwrap();
    assert!(told(Client::connect("postgres://user:secret@host/db")).await.contains("`postgres:` is no store"));
}

#[tokio::test]
async fn a_client_knows_the_kinds_of_its_registry_and_no_others() {
    let sandbox = Sandbox::new(BINARY);
    let (path, builtin, empty) = (sandbox.write("app.ron", APP), Registry::builtin(), Registry::empty());
    let url = format!("sqlite:{}", sandbox.path("jobs.db").display());
    for opened in [
        Client::open_with(&path, &builtin).await,
        Client::open_text_with(APP, &path, &builtin).await,
        Client::connect_with(&url, &builtin).await,
    ] {
        opened.unwrap().close().await.unwrap();
    }
    for told in [
        told(Client::open_with(&path, &empty)).await,
        told(Client::open_text_with(APP, &path, &empty)).await,
        told(Client::connect_with(&url, &empty)).await,
    ] {
        assert!(told.contains("there is no provider kind `sqlite`"), "{told}");
    }
}

#[tokio::test]
async fn what_cannot_be_opened_is_told() {
    let sandbox = Sandbox::new(BINARY);
    let open = |text: &str| {
        let (text, path) = (text.to_owned(), sandbox.path("app.ron"));
        async move { told(Client::open_text(&text, path)).await }
    };
    let errors = [
        told(Client::open(sandbox.path("absent.ron"))).await,
        open(r#"(providers: { "jobs": sqlite(pth: "jobs.db"), "x": imap("s3cret") }, workers: { "x": vault("s3cret") })"#).await,
        open(r#"(providers: { "jobs": sqlit(path: "jobs.db") })"#).await,
        open(r#"(providers: { "inbox": folder(path: "inbox") })"#).await,
        open(r#"(providers: { "jobs": memory() })"#).await,
        open(r#"(providers: { "jobs": sqlite(path: "absent/jobs.db") })"#).await,
    ];
    let errors = errors.map(|error| error.replace(&sandbox.folder().display().to_string(), "FOLDER"));
    insta::assert_snapshot!(errors.join("\n\n"));
}

/// The daemon claims and settles in quick succession: a notice of the second change may come while only the first can be
/// read. Missed, it would be heard of a second later.
#[tokio::test]
async fn who_waits_misses_none_of_many_ends() {
    let sandbox = Sandbox::new(BINARY);
    let config = sandbox.write("app.ron", r#"(providers: { "jobs": sqlite(path: "jobs.db") }, workers: { "noop": noop() })"#);
    let client = Client::open(&config).await.unwrap();
    let daemon = sandbox.start(["app.ron", "--log-level", "warn"]);
    let first = client.enqueue(Job::of("noop")).await.unwrap();
    client.wait(&first, PATIENCE).await.unwrap();
    let mut late = 0;
    for _ in 0..300 {
        let began = std::time::Instant::now();
        let id = client.enqueue(Job::of("noop")).await.unwrap();
        client.wait(&id, PATIENCE).await.unwrap();
        late += u32::from(began.elapsed() > Duration::from_millis(800));
    }
    // One, as the machine may be busy.
    assert!(late <= 1, "{late} of 300 were late; {}", daemon.talk());
}
