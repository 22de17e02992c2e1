use goworker::worker;

/// Resizes a picture.
#[worker]
unsafe fn resize(params: u8) {
    drop(params);
}

fn main() {}
