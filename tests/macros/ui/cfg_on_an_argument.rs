use goworker::worker;

/// Resizes a picture.
#[worker]
async fn resize(#[cfg(unix)] params: u8) {
    drop(params);
}

fn main() {}
