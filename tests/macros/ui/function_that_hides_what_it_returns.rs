use goworker::worker;

/// Resizes a picture.
#[worker]
fn resize() -> impl Future<Output = ()> {
    async {}
}

fn main() {}
