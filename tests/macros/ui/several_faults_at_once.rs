use goworker::{Context, Job, Output, WorkResult, Worker, worker};

#[worker(nmae = "resize")]
pub struct Resize {
    /// JPEG quality.
    #[config(defualt = 85, range = 100)]
    quality: u8,
    output: String,
    /// How long it may take.
    timeout: Option<u64>,
    #[config(default)]
    #[state]
    done: u64,
}

impl Worker for Resize {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        Ok(Output::none())
    }
}

fn main() {}
