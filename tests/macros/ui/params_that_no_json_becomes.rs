use goworker::worker;

pub struct Picture;

/// Resizes a picture.
#[worker]
async fn resize(picture: Picture) {
    drop(picture);
}

fn main() {}
