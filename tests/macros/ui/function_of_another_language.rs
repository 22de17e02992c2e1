use goworker::worker;

/// Resizes a picture.
#[worker]
extern "C" fn resize(params: u8) -> u8 {
    params
}

fn main() {}
