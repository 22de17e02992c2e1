use std::time::Duration;

use goworker::{provider, worker};

/// Resizes a picture.
#[worker]
pub struct Resize {
    /// How long it may take.
    timeout: Option<u64>,
    /// How many at once.
    #[config(default = 4)]
    concurrency: usize,
    #[state]
    retry: Duration,
}

/// Takes jobs from a folder.
#[provider]
pub struct Folder {
    /// The queue behind it.
    into: String,
    /// No setting of every provider.
    timeout: u64,
}

fn main() {}
