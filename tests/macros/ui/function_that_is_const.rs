use goworker::worker;

/// Resizes a picture.
#[worker]
const fn resize(params: u8) -> u8 {
    params
}

fn main() {}
