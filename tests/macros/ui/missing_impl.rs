use goworker::{provider, worker};

/// Resizes a picture.
#[worker]
pub struct Resize {
    /// JPEG quality.
    quality: u8,
}

/// Takes jobs from a folder.
#[provider]
pub struct Folder;

/// Keeps jobs.
#[provider(queue)]
pub struct Store;

fn main() {}
