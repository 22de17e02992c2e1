use goworker::provider;

/// Brings pictures.
#[provider]
async fn pictures() {}

fn main() {
    // What was given back is still there.
    drop(pictures());
}
