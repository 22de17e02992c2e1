use goworker::worker;

pub struct Resize;

impl Resize {
    /// Resizes a picture.
    #[worker]
    pub async fn resize(&self, params: u8) {
        drop(params);
    }
}

fn main() {}
