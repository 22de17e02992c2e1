use goworker::{provider, worker};

/// Resizes a picture.
#[worker]
async fn resize() {}

/// Where pictures come from.
#[provider]
pub enum Source {
    /// A folder.
    Folder {
        /// The folder.
        #[config(default = "inbox")]
        path: String,
    },
}

fn main() {
    // What was given back is still there.
    drop(resize());
    let _ = Source::Folder { path: String::new() };
}
