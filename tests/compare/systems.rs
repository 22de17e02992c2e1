//! What is compared.

use anyhow::{Result, bail};

/// A job system with a driver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct System {
    pub(crate) name: &'static str,
    pub(crate) driver: Driver,
    pub(crate) store: Store,
    /// How many jobs are drained if nobody says so: enough for some seconds at most.
    pub(crate) jobs: u64,
}

/// The program that knows the system.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Driver {
    /// `peer`, with a queue and a worker.
    Goworker(&'static str, &'static str),
    /// A crate in `tests/peers`.
    Crate(&'static str),
    /// A package for node in `tests/peers`.
    Node(&'static str),
}

/// Where its jobs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// In the process that runs them, which has to make them, too.
    Process,
    /// In a file that any process can use.
    File,
    /// In a file of which one process only is told what comes.
    OwnFile,
    /// On a Redis server.
    Redis,
    /// On a Redis server that has what came with 8.6.
    NewRedis,
}

impl Store {
    /// Whether the process that runs jobs sends them to itself where it matters when they come.
    pub(crate) fn feeds_itself(self) -> bool {
        matches!(self, Store::Process | Store::OwnFile)
    }

    pub(crate) fn is_redis(self) -> bool {
        matches!(self, Store::Redis | Store::NewRedis)
    }
}

const fn system(name: &'static str, driver: Driver, store: Store, jobs: u64) -> System {
    System { name, driver, store, jobs }
}

const SYSTEMS: [System; 9] = [
    system("goworker-memory", Driver::Goworker("memory", "noop"), Store::Process, 200_000),
    system("goworker-memory-lua", Driver::Goworker("memory", "lua"), Store::Process, 200_000),
    system("goworker-sqlite", Driver::Goworker("sqlite", "noop"), Store::File, 200_000),
    system("goworker-sqlite-lua", Driver::Goworker("sqlite", "lua"), Store::File, 200_000),
    system("effectum", Driver::Crate("effectum"), Store::OwnFile, 20_000),
    system("goworker-redis", Driver::Goworker("redis", "noop"), Store::Redis, 200_000),
    system("goworker-redis-lua", Driver::Goworker("redis", "lua"), Store::Redis, 200_000),
    system("chasquimq", Driver::Crate("chasquimq"), Store::NewRedis, 200_000),
    system("bullmq", Driver::Node("bullmq"), Store::Redis, 50_000),
];

/// Those whose names begin with one of these words; with a worker, goworker's native rows with that one instead.
pub(crate) fn chosen(words: &[String], worker: Option<&'static str>) -> Result<Vec<System>> {
    let names = || SYSTEMS.map(|system| system.name);
    if let Some(unknown) = words.iter().find(|word| word.is_empty() || !names().iter().any(|name| name.starts_with(word.as_str()))) {
        bail!("no system's name begins with `{unknown}`; there are {}", names().join(", "));
    }
    let is_chosen = |system: &System| words.is_empty() || words.iter().any(|word| system.name.starts_with(word));
    let with_worker = |system: System| match (system.driver, worker) {
        (driver, None) => Some(System { driver, ..system }),
        (Driver::Goworker(queue, "noop"), Some(worker)) => Some(System { driver: Driver::Goworker(queue, worker), ..system }),
        _ => None,
    };
    let systems: Vec<System> = SYSTEMS.into_iter().filter(is_chosen).filter_map(with_worker).collect();
    if systems.is_empty() {
        bail!("`--worker` is for goworker's native rows: goworker-memory, goworker-sqlite, goworker-redis");
    }
    Ok(systems)
}
