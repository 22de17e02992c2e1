use goworker::worker;

/// Resizes a picture.
#[worker]
async fn resize(#[state] done: u64) {
    drop(done);
}

fn main() {}
