use goworker::worker;

/// Resizes a picture.
#[worker]
unsafe extern "C" fn resize(params: u8, ...) {
    drop(params);
}

fn main() {}
