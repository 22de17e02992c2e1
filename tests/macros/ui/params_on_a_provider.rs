use goworker::provider;

/// Brings pictures.
#[provider(params = Vec<u8>)]
pub struct Pictures;

fn main() {}
