use goworker::worker;

/// Resizes a picture.
#[worker]
async fn resize(#[config(default = 85)] quality: u8) {
    drop(quality);
}

fn main() {}
