//! `#[provider]` and `#[worker]` as a user has them.

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use goworker::{Context, Job, Registry, WorkResult, Worker, worker};

/// Resizes a picture.
#[worker]
struct Resize {
    /// JPEG quality, 1 to 100.
    #[config(default = 85, range = 1..=100)]
    quality: u8,
    /// Folder that receives the result.
    output: PathBuf,
    /// Optional caption.
    caption: Option<String>,
    #[state]
    done: AtomicU64,
}

impl Worker for Resize {
    async fn work(&self, _job: &Job, _ctx: &Context) -> WorkResult {
        self.done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(serde_json::json!(format!("{} {} {:?}", self.quality, self.output.display(), self.caption)).into())
    }
}

#[test]
fn a_worker_is_registered_by_its_attribute() {
    let registry = Registry::linked();
    assert_eq!(registry.worker("resize").map(|resize| resize.doc), Some("Resizes a picture."));
}
