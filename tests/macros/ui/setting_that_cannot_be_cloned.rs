use goworker::{schemars::JsonSchema, serde::Deserialize, worker};

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "goworker::serde")]
#[schemars(crate = "goworker::schemars")]
pub struct Format {
    name: String,
}

/// Resizes a picture.
#[worker]
async fn resize(
    /// The format.
    #[config]
    format: Format,
) {
    drop(format.name);
}

fn main() {}
