use goworker::worker;

/// Resizes a picture.
#[worker]
async fn resize() -> Result<(), String> {
    Err("no picture".to_owned())
}

fn main() {}
