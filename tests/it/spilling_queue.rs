//! What a queue on Redis knows of jobs that move: while they are on their way, and when they are gone.

use std::sync::Arc;
use std::time::Duration;

use goworker::units::Dur;
use goworker::{
    Change, Delivery, Demand, Enqueued, Filter, Job, JobId, Move, QueueHandle, Settled, Settlement, Setup, State, Unique, UniqueMode,
};
use goworker_tests::queues::queue;
use goworker_tests::redis_cluster::RedisCluster;
use goworker_tests::redis_server::RedisServer;

/// A queue whose server is always short of memory.
async fn open(server: &RedisServer) -> QueueHandle {
    let setup = Setup::new("jobs", ".");
    queue(&format!(r#"redis(url: "{}", spill: (above: "1KiB", into: "local"))"#, server.url()), &setup).start(&setup).await.unwrap()
}

fn job(id: &str) -> Job {
    Job::new(id.parse().unwrap(), "work")
}

fn id(id: &str) -> JobId {
    id.parse().unwrap()
}

async fn accept(queue: &QueueHandle, jobs: impl IntoIterator<Item = Job>) -> Vec<Enqueued> {
    queue.enqueue(&jobs.into_iter().map(Arc::new).collect::<Vec<_>>(), None).await.unwrap()
}

async fn take(queue: &QueueHandle) -> Option<Move> {
    queue.take_move("there", &["work".into()]).await.unwrap()
}

fn ids(taken: &Move) -> Vec<&str> {
    taken.jobs.iter().map(|job| job.id.as_str()).collect()
}

async fn fetch(queue: &QueueHandle) -> Vec<String> {
    let batch = queue.fetch(&Demand::Any(100)).await.unwrap();
    batch.deliveries.iter().map(|delivery| delivery.job.id.to_string()).collect()
}

async fn end(queue: &QueueHandle, open: &Move) {
    let moved: Vec<JobId> = open.jobs.iter().map(|job| job.id.clone()).collect();
    assert!(queue.end_move("there", open.token, &moved, &[]).await.unwrap().is_empty());
}

async fn count(queue: &QueueHandle, state: State) -> u64 {
    queue.stats().await.unwrap().counts.iter().filter(|count| count.state == state).map(|count| count.jobs).sum()
}

#[tokio::test]
async fn a_job_on_its_way_is_listed_as_waiting_and_handed_out_to_nobody() {
    let server = RedisServer::start();
    let queue = open(&server).await;
    let later = Job { delay: Some(Dur::secs(600)), ..job("later") };
    accept(&queue, [job("a"), job("b"), later]).await;
    let open = take(&queue).await.unwrap();
    assert_eq!(ids(&open), ["a", "b", "later"]);

    assert_eq!(fetch(&queue).await, [""; 0]);
    assert_eq!(queue.get(&id("a")).await.unwrap().unwrap().state, State::Ready);
    let later = queue.get(&id("later")).await.unwrap().unwrap();
    assert_eq!((later.state, later.due_at.is_some()), (State::Scheduled, true));
    assert_eq!((count(&queue, State::Ready).await, count(&queue, State::Scheduled).await), (2, 1));
    let listed = |states: &[State]| Filter { states: states.to_vec(), ..Filter::default() };
    assert_eq!(queue.list(&listed(&[State::Ready])).await.unwrap().len(), 2);
    assert_eq!(queue.list(&listed(&[State::Scheduled])).await.unwrap().len(), 1);
    assert_eq!(queue.list(&Filter::default()).await.unwrap().len(), 3);

    // Whoever asks again is answered the same, and to another store nothing else moves.
    let again = take(&queue).await.unwrap();
    assert_eq!((again.token, ids(&again)), (open.token, ids(&open)));
    assert!(queue.take_move("elsewhere", &["work".into()]).await.unwrap().is_none());
}

#[tokio::test]
async fn a_job_that_has_moved_is_gone_but_its_id_is_taken() {
    let server = RedisServer::start();
    let queue = open(&server).await;
    accept(&queue, [job("a"), job("b")]).await;
    assert_eq!(accept(&queue, [job("a")]).await, [Enqueued::Exists]);
    let open = take(&queue).await.unwrap();
    assert_eq!(accept(&queue, [job("a")]).await, [Enqueued::Exists], "on its way");
    end(&queue, &open).await;
    end(&queue, &open).await;

    assert!(queue.get(&id("a")).await.unwrap().is_none());
    assert!(queue.list(&Filter::default()).await.unwrap().is_empty());
    assert!(queue.stats().await.unwrap().counts.is_empty());
    let other = Job { name: "other".to_owned(), ..job("a") };
    assert_eq!(accept(&queue, [job("a"), other]).await, [Enqueued::Exists, Enqueued::Conflict]);
    for changes in [queue.cancel(&[id("a")]).await, queue.retry(&[id("a")]).await, queue.delete(&[id("a")]).await] {
        assert_eq!(changes.unwrap(), [Change::Absent]);
    }
    assert!(take(&queue).await.is_none());
    assert_eq!(fetch(&queue).await, [""; 0]);
}

#[tokio::test]
async fn ids_of_jobs_that_have_moved_are_forgotten_as_those_of_jobs_that_are_done() {
    let server = RedisServer::start();
    let setup = Setup {
        keep: goworker::Keep { done: goworker::Bound { age: Duration::from_secs(60), count: 3 }, ..Default::default() },
        ..Setup::new("jobs", ".")
    };
    let entry = format!(r#"redis(url: "{}", spill: (above: "1KiB", into: "local"))"#, server.url());
    let queue = queue(&entry, &setup).start(&setup).await.unwrap();
    for first in [0, 2, 4] {
        accept(&queue, [job(&format!("job-{first}")), job(&format!("job-{}", first + 1))]).await;
        let open = take(&queue).await.unwrap();
        end(&queue, &open).await;
    }
    assert!(take(&queue).await.is_none());
    assert_eq!(server.cli(&["HLEN", "{goworker:jobs}:jobs"]), "4", "those of the last two moves, of which three are to be kept");
    assert_eq!(accept(&queue, [job("job-0"), job("job-5")]).await, [Enqueued::Created, Enqueued::Exists]);
}

#[tokio::test]
async fn only_plain_waiting_jobs_move() {
    let server = RedisServer::start();
    let queue = open(&server).await;
    let unique = Job { unique: Some(Unique { key: Some("k".to_owned()), window: None, mode: UniqueMode::Reject }), ..job("unique") };
    let foreign = Job::new(id("foreign"), "other");
    accept(&queue, [job("tried"), job("running")]).await;
    let batch = queue.fetch(&Demand::Any(2)).await.unwrap();
    let Delivery { job: tried, handle, .. } = &batch.deliveries[0];
    let settlement = Settlement::Retry { after: Duration::ZERO, charged: false };
    queue
        .settle(&[Settled { token: batch.lease.token, handle: *handle, job: Arc::clone(tried), attempt: None, settlement }])
        .await
        .unwrap();
    accept(&queue, [unique, foreign, Job { priority: 5, ..job("urgent") }, job("plain"), job("gone")]).await;
    queue.cancel(&[id("gone")]).await.unwrap();
    queue.pause(Some("work")).await.unwrap();
    assert!(take(&queue).await.is_none(), "what is paused stays");
    queue.resume(Some("work")).await.unwrap();

    let open = take(&queue).await.unwrap();
    assert_eq!(ids(&open), ["plain", "urgent"]);
    end(&queue, &open).await;
    assert!(take(&queue).await.is_none());
    let mut left = fetch(&queue).await;
    left.sort();
    assert_eq!(left, ["foreign", "tried", "unique"]);
    assert_eq!(queue.get(&id("gone")).await.unwrap().unwrap().state, State::Cancelled);
}

#[tokio::test]
async fn all_that_a_job_says_moves_with_it() {
    let server = RedisServer::start();
    let queue = open(&server).await;
    let text = r#"{"id":"a","type":"work","name":"n","params":{"big":9007199254740993,"f":1.50},"retries":3,"capture_output":true,
        "priority":-7,"run_at":"2999-01-01T00:00:00.123Z","expires_at":"2999-02-01T00:00:00Z","timeout":"90s","tags":["t"],
        "meta":{"k":1},"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}"#;
    let ids = Setup::new("jobs", ".").ids();
    let whole = Job::parse(text.as_bytes(), &ids).unwrap().job;
    let delayed = Job { delay: Some(Dur::secs(600)), ..job("b") };
    accept(&queue, [whole.clone(), delayed]).await;
    let due = queue.get(&id("b")).await.unwrap().unwrap().due_at;

    let open = take(&queue).await.unwrap();
    let of = |id: &str| open.jobs.iter().find(|job| job.id.as_str() == id).unwrap();
    assert_eq!(of("a").to_json(), whole.to_json());
    assert_eq!((of("b").delay, of("b").run_at), (None, due), "its delay has begun");
    end(&queue, &open).await;
    assert_eq!(server.cli(&["EXISTS", "{goworker:jobs}:due", "{goworker:jobs}:expiring"]), "0");
}

#[tokio::test]
async fn the_oldest_jobs_stay_to_run_from_redis() {
    let server = RedisServer::start();
    let queue = open(&server).await;
    for first in [0, 1_000] {
        accept(&queue, (first..first + 1_000).map(|n| job(&format!("job-{n:04}")))).await;
    }
    let open = take(&queue).await.unwrap();
    let expected: Vec<String> = (1_000..2_000).map(|n| format!("job-{n:04}")).collect();
    assert_eq!(ids(&open), expected, "in the order in which they came");
    end(&queue, &open).await;
    assert_eq!(fetch(&queue).await[..2], ["job-0000", "job-0001"]);
}

#[tokio::test]
async fn a_job_on_its_way_is_cancelled_where_it_goes_and_cannot_be_deleted() {
    let server = RedisServer::start();
    let queue = open(&server).await;
    accept(&queue, [job("a"), job("b")]).await;
    let open = take(&queue).await.unwrap();
    assert_eq!(queue.delete(&[id("a")]).await.unwrap(), [Change::Refused(State::Ready)]);
    assert_eq!(queue.retry(&[id("a")]).await.unwrap(), [Change::Refused(State::Ready)]);
    assert_eq!(queue.cancel(&[id("a")]).await.unwrap(), [Change::Requested]);

    let moved = [id("a"), id("b")];
    assert_eq!(queue.end_move("there", open.token, &moved, &[]).await.unwrap(), [id("a")], "it is to be cancelled there first");
    assert_eq!(queue.get(&id("b")).await.unwrap().unwrap().state, State::Ready, "nothing has ended");
    assert!(queue.end_move("there", open.token, &moved, &[id("a")]).await.unwrap().is_empty());
    assert!(queue.list(&Filter::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_job_that_the_target_does_not_take_stays_for_good() {
    let server = RedisServer::start();
    let queue = open(&server).await;
    accept(&queue, [job("a"), job("b"), job("c"), Job { delay: Some(Dur::secs(600)), ..job("later") }]).await;
    let open = take(&queue).await.unwrap();
    queue.cancel(&[id("c")]).await.unwrap();
    assert!(queue.end_move("there", open.token, &[id("a")], &[]).await.unwrap().is_empty());
    assert!(take(&queue).await.is_none(), "it would be refused again");
    assert_eq!(queue.get(&id("c")).await.unwrap().unwrap().state, State::Cancelled);
    assert_eq!(queue.get(&id("later")).await.unwrap().unwrap().state, State::Scheduled);

    let batch = queue.fetch(&Demand::Any(5)).await.unwrap();
    assert_eq!(batch.deliveries.iter().map(|delivery| delivery.job.id.as_str()).collect::<Vec<_>>(), ["b"]);
    // It is done before others that came earlier, or would be taken for one that waits.
    accept(&queue, [job("d")]).await;
    let Delivery { job: b, handle, .. } = &batch.deliveries[0];
    let settlement = Settlement::Done { output: ().into() };
    queue.settle(&[Settled { token: batch.lease.token, handle: *handle, job: Arc::clone(b), attempt: None, settlement }]).await.unwrap();
    assert_eq!(queue.get(&id("b")).await.unwrap().unwrap().state, State::Done);
}

#[tokio::test]
async fn jobs_move_from_a_server_whose_memory_is_full() {
    let server = RedisServer::options().max_memory("4mb", "noeviction").start();
    let queue = open(&server).await;
    let mut accepted = 0;
    let big = |n: usize| Arc::new(Job { params: goworker::Params::of(&"x".repeat(2_000)).unwrap(), ..job(&format!("job-{n}")) });
    while queue.enqueue(&(0..100).map(|n| big(accepted + n)).collect::<Vec<_>>(), None).await.is_ok() {
        accepted += 100;
    }
    let open = take(&queue).await.unwrap();
    end(&queue, &open).await;
    assert!(queue.enqueue(&[big(accepted)], None).await.is_ok(), "there is room again");
}

#[tokio::test]
async fn on_a_cluster_the_memory_of_the_node_counts_that_has_the_queue() {
    let mut cluster = RedisCluster::start();
    let slot = cluster.nodes()[0].cli(&["CLUSTER", "KEYSLOT", "{goworker:jobs}:layout"]);
    let setup = Setup::new("jobs", ".");
    let mut moved = Vec::new();
    for node in 0..3 {
        let url = cluster.nodes()[node].url();
        let queue = queue(&format!(r#"redis(url: "{url}", spill: (above: "4MiB", into: "local"))"#), &setup).start(&setup).await.unwrap();
        assert!(take(&queue).await.is_none(), "there is room");
        for first in 0..8 {
            let big =
                |n: usize| Job { params: goworker::Params::of(&"x".repeat(10_000)).unwrap(), ..job(&format!("job-{node}-{first}-{n}")) };
            accept(&queue, (0..50).map(big)).await;
        }
        let open = take(&queue).await.expect("there is too little room");
        end(&queue, &open).await;
        moved.push(open.jobs.len());
        while let Some(open) = take(&queue).await {
            end(&queue, &open).await;
        }
    }
    assert!(moved.iter().all(|moved| *moved > 0), "{moved:?}");
    let keys: Vec<String> = cluster.nodes().iter().map(|node| node.cli(&["CLUSTER", "GETKEYSINSLOT", &slot, "10"])).collect();
    assert_eq!(keys.iter().filter(|keys| !keys.is_empty()).count(), 1);
}
