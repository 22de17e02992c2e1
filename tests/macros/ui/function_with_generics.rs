use goworker::worker;

/// Resizes a picture.
#[worker]
async fn resize<T: Send>(params: T) {
    drop(params);
}

/// Measures a picture.
#[worker]
async fn measure<'a>(params: &'a str) {
    let _ = params;
}

fn main() {}
