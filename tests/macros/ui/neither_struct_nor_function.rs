use goworker::{provider, worker};

/// Resizes pictures.
#[worker]
pub trait Resize {}

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
    let _ = Source::Folder { path: String::new() };
}
