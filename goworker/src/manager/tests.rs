use super::*;
use crate::outcome::{Output, WorkResult};
use crate::plugin::{AnyQueue, AnyWorker};
use crate::provider::Keep;
use crate::providers::memory::Memory;
use crate::retry::RetryPolicy;
use crate::worker::{Context, Worker};

struct Noop;
impl Worker for Noop {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        Ok(Output::none())
    }
}

fn drain(n: usize, concurrency: usize) {
    let control = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let work = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let config = Config {
        path: "x".into(),
        base: ".".into(),
        providers: vec![ProviderEntry {
            name: "jobs".into(),
            kind: "memory",
            source: Source::Queue(AnyQueue(Box::new(Memory::default()))),
            lease: Duration::from_secs(30),
            keep: Keep::default(),
        }],
        workers: vec![WorkerEntry {
            name: "noop".into(),
            kind: "noop",
            worker: AnyWorker(Box::new(Noop)),
            concurrency,
            timeout: None,
            retry: RetryPolicy::default(),
        }],
        failure_handlers: vec![],
        grace: Duration::from_secs(30),
        poison: 3,
    };
    let handle = work.handle().clone();
    let done = control.spawn(async move {
        let manager = Manager::start(config, Options { until_idle: true, ..Options::new(handle) }).await.unwrap();
        let queue = manager.queues()["jobs"].clone();
        let ids = Ids::system();
        let jobs: Vec<Arc<Job>> = (0..n).map(|_| Arc::new(Job::new(ids.next(), "noop"))).collect();
        let t = std::time::Instant::now();
        for chunk in jobs.chunks(1000) {
            queue.enqueue(chunk, None).await.unwrap();
        }
        eprintln!("enqueue {:.0}/s", n as f64 / t.elapsed().as_secs_f64());
        let t = std::time::Instant::now();
        let summary = manager.run(&Stop::new()).await;
        eprintln!("drain c={concurrency} {:.0}/s", n as f64 / t.elapsed().as_secs_f64());
        assert_eq!(summary.stats.total().done, n as u64);
    });
    control.block_on(done).unwrap();
}

#[test]
fn bench() {
    for c in [20, 100, 500, 1000] {
        drain(200_000, c);
    }
}
