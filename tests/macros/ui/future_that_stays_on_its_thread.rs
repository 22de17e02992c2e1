use std::rc::Rc;

use goworker::worker;

/// Resizes a picture.
#[worker]
async fn resize() {
    let shared = Rc::new(1);
    std::future::ready(()).await;
    drop(shared);
}

fn main() {}
