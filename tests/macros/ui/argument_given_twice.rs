use goworker::{provider, worker};

/// Resizes a picture.
#[worker(name = "resize", name = "shrink")]
pub struct Resize;

/// Keeps jobs.
#[provider(queue, queue)]
pub struct Store {
    /// How many.
    #[config(default = 1, default = 2, range = 1.., range = 2..)]
    size: u32,
    #[state]
    #[state]
    jobs: Vec<u8>,
}

fn main() {}
