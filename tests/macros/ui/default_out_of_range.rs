use goworker::units::{Dur, Size};
use goworker::{Context, Job, Output, WorkResult, Worker, worker};

/// Resizes a picture.
#[worker]
pub struct Resize {
    /// JPEG quality.
    #[config(default = 101, range = 1..=100)]
    quality: u8,
    /// How far to turn it.
    #[config(default = -90, range = -45..)]
    degrees: Option<i16>,
    /// How much of it remains.
    #[config(default = 1.0, range = 0.0..1.0)]
    part: f64,
}

/// Measures a picture.
#[worker]
pub struct Measure {
    /// How long to wait before it.
    #[config(default = "1s", range = "2s".."1m")]
    pause: Dur,
    /// How much memory it may take.
    #[config(default = "1GiB", range = ..="512MiB")]
    memory: Option<Size>,
}

impl Worker for Resize {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        Ok(Output::none())
    }
}

impl Worker for Measure {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        Ok(Output::none())
    }
}

fn main() {}
