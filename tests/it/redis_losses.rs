//! Each command of a scenario is lost once, and each reply: nobody can tell.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use goworker::{
    Batch, Cause, Clock, Cursor, Delivery, Demand, Failure, Filter, Job, JobBuilder, JobId, Output, QueueHandle, Settled, Settlement,
    Setup, Unique,
};
use goworker_tests::redis_server::RedisServer;
use goworker_tests::tcp_proxy::{Fault, TcpProxy};

use goworker_tests::queues::queue;

/// What a queue answered, line by line, without what differs from run to run.
#[derive(Default)]
struct Answers(Vec<String>);

impl Answers {
    fn note(&mut self, what: &str, answer: impl Debug) {
        self.0.push(format!("{what}: {answer:?}"));
    }
}

async fn open(url: &str) -> QueueHandle {
    let setup = Setup::new("jobs", ".");
    queue(&format!("redis(url: \"{url}\")"), &setup).start(&setup).await.unwrap()
}

fn job(id: &str) -> JobBuilder {
    Job::of("work").id(id)
}

fn built(jobs: impl IntoIterator<Item = JobBuilder>) -> Vec<Arc<Job>> {
    let ids = Setup::new("jobs", ".").ids();
    jobs.into_iter().map(|job| Arc::new(job.build(&ids).unwrap())).collect()
}

fn ids<const N: usize>(ids: [&str; N]) -> [JobId; N] {
    ids.map(|id| id.parse().unwrap())
}

fn handed(batch: &Batch) -> Vec<String> {
    let shown =
        |delivery: &Delivery| format!("{} after {} attempts and {} crashes", delivery.job.id, delivery.attempts.len(), delivery.crashes);
    batch.deliveries.iter().map(shown).collect()
}

fn settled(batch: &Batch, position: usize, settlement: Settlement) -> Settled {
    let Delivery { job, handle, .. } = &batch.deliveries[position];
    let attempt = matches!(settlement, Settlement::Retry { .. } | Settlement::Dead { .. }).then(|| goworker::Attempt {
        number: 1,
        started_at: Clock::system().now(),
        duration: goworker::units::Dur::millis(1),
        failure: Some(Failure::new(Cause::Error, "failed")),
        log: Vec::new(),
    });
    Settled { token: batch.lease.token, handle: *handle, job: Arc::clone(job), attempt, settlement }
}

/// All that a queue does for a manager and for people, one call after the other.
async fn scenario(url: &str) -> Vec<String> {
    let mut answers = Answers::default();
    let queue = open(url).await;

    let jobs = built(["a", "b", "c", "d", "e", "f", "g"].map(job).into_iter().chain([
        job("later").delay(Duration::from_secs(3600)),
        job("first").priority(9),
        job("one").unique(Unique { key: Some("key".to_owned()), ..Unique::default() }),
        job("two").unique(Unique { key: Some("key".to_owned()), ..Unique::default() }),
    ]));
    let cursor = |from: Option<&str>, to: &str| Cursor { name: "file".to_owned(), from: from.map(str::to_owned), to: to.to_owned() };
    answers.note("enqueue", queue.enqueue(&jobs, Some(&cursor(None, "1"))).await.unwrap());
    answers.note("enqueue again", queue.enqueue(&jobs, Some(&cursor(Some("1"), "2"))).await.unwrap());
    answers.note("enqueue from elsewhere", queue.enqueue(&jobs, Some(&cursor(Some("1"), "3"))).await.unwrap_err().to_string());
    answers.note("cursor", queue.cursor("file").await.unwrap());

    let demand = Demand::ByType([("work".into(), 7)].into());
    let batch = queue.fetch(&demand).await.unwrap();
    answers.note("fetch", handed(&batch));
    answers.note("renew", queue.renew(&[batch.lease.token]).await.unwrap());
    let settlements = [
        Settlement::Done { output: Output::from_json("5".to_owned()).unwrap() },
        Settlement::Done { output: Output::none() },
        Settlement::Retry { after: Duration::from_secs(3600), charged: true },
        Settlement::Dead { failure: Failure::new(Cause::Error, "dead"), handlers: built([job("handler")]) },
        Settlement::Release,
        Settlement::Cancelled,
    ];
    let settlements: Vec<Settled> = (0..).zip(settlements).map(|(position, settlement)| settled(&batch, position, settlement)).collect();
    answers.note("settle", queue.settle(&settlements).await.unwrap());
    answers.note("settle again", queue.settle(&settlements[..2]).await.unwrap());

    answers.note("cancel", queue.cancel(&ids(["later", "f", "nobody"])).await.unwrap());
    answers.note("renew", queue.renew(&[batch.lease.token]).await.unwrap());
    answers.note("retry", queue.retry(&ids(["c", "a", "later"])).await.unwrap());
    answers.note("delete", queue.delete(&ids(["a", "g", "f"])).await.unwrap());
    queue.pause(None).await.unwrap();
    queue.pause(Some("work")).await.unwrap();
    answers.note("fetch during a pause", handed(&queue.fetch(&Demand::Any(3)).await.unwrap()));
    queue.resume(Some("work")).await.unwrap();
    queue.pause(Some("other")).await.unwrap();
    queue.resume(None).await.unwrap();
    answers.note("fetch the rest", handed(&queue.fetch(&Demand::Any(3)).await.unwrap()));
    look(&queue, &mut answers).await;
    queue.close().await.unwrap();
    answers.0
}

/// What is in the queue.
async fn look(queue: &QueueHandle, answers: &mut Answers) {
    for record in queue.list(&Filter::default()).await.unwrap() {
        let record = queue.get(&record.job.id).await.unwrap().unwrap();
        let failure = record.failure.as_ref().map(|failure| &failure.message);
        let of = (record.state, record.attempt, record.crashes, record.output.json(), failure, record.attempts.len());
        answers.note(record.job.id.as_str(), of);
    }
    let stats = queue.stats().await.unwrap();
    answers.note("stats", stats.counts);
    answers.note("paused", stats.paused);
    answers.note("cursor", queue.cursor("file").await.unwrap());
}

#[tokio::test]
async fn every_command_may_be_lost_once_and_so_may_every_reply() {
    let server = RedisServer::start();
    let proxy = TcpProxy::start(server.port());
    let run = async |n: usize, fault: Fault| {
        server.cli(&["FLUSHALL"]);
        server.cli(&["SCRIPT", "FLUSH"]);
        proxy.plan(n, fault);
        let mut answers = Answers(scenario(&server.url_by(proxy.port())).await);
        let commands = proxy.log().len();
        answers.note("at the end", "");
        look(&open(&server.url()).await, &mut answers).await;
        (answers.0.join("\n"), commands)
    };
    let (expected, commands) = run(usize::MAX, Fault::DropReply).await;
    insta::assert_snapshot!(expected);
    assert!(commands > 30, "{:?}", proxy.log());
    for n in 1..=commands {
        for fault in [Fault::DropRequest, Fault::DropReply] {
            let (answers, repeated) = run(n, fault).await;
            let log = proxy.log();
            assert!(repeated > commands, "{fault:?} of command {n}, {}, was not noticed", log[n - 1]);
            assert_eq!(answers, expected, "{fault:?} of command {n}, {}", log[n - 1]);
        }
    }
}
