use goworker::{Context, Job, Output, WorkResult, Worker, worker};

/// Resizes a picture.
#[worker]
pub struct Resize {
    /// JPEG quality.
    #[config(default 85)]
    quality: u8,
    /// How far to turn it.
    #[config(range = 90)]
    degrees: i16,
    /// How often.
    #[config = 3]
    times: u8,
    /// In which order.
    #[config(default(1), range)]
    order: u8,
}

impl Worker for Resize {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        Ok(Output::none())
    }
}

fn main() {}
