//! A pipeline without code in Rust but for its tests, which are in `tests/shop.rs`.
//!
//!     cargo test -p tested-pipeline

fn main() -> std::process::ExitCode {
    goworker::cli::main()
}
