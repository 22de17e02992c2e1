//! An application that runs its jobs itself: the manager is a part of it, and so is the configuration.
//!
//!     cargo run -p embedded

use std::path::Path;
use std::time::Duration;

use goworker::config::{Config, LoadError};
use goworker::manager::{Manager, Options, Stop};
use goworker::{Job, Registry, worker};
use tokio::runtime::Handle;

/// A file works as well: `Config::load`. This one is said to be in the working directory.
const CONFIG: &str = r#"(
    providers: { "jobs": memory() },
    workers: { "total": total(currency: "EUR", concurrency: 4) },
    shutdown: (grace: "10s"),
)"#;

/// Adds up the items of an order: price and pieces of each.
#[worker]
fn total(
    items: Vec<(f64, u32)>,
    /// What the prices are in.
    #[config]
    currency: &str,
) -> String {
    let total: f64 = items.iter().map(|(price, pieces)| price * f64::from(*pieces)).sum();
    format!("{total:.2} {currency}")
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse(CONFIG, Path::new("embedded.ron"), &Registry::linked()).map_err(LoadError::Wrong)?.config;
    // Job code may have a runtime of its own; here it shares the application's.
    let manager = Manager::start(config, Options::new(Handle::current())).await?;
    let client = manager.client();
    let stop = Stop::new();
    let jobs = tokio::spawn({
        let stop = stop.clone();
        async move { manager.run(&stop).await }
    });

    // What the application does otherwise.
    let id = client.enqueue(Job::of("total").params([(19.5, 2), (3.25, 4)])).await?;
    let total: String = client.wait(&id, Duration::from_secs(10)).await?.parse()?;
    println!("the total is {total}; Ctrl-C stops");

    tokio::signal::ctrl_c().await?;
    // No new jobs; those that run have the grace time. A second request would give them back at once.
    stop.request();
    let summary = jobs.await?;
    println!("{} jobs done", summary.stats.total().done);
    Ok(())
}
