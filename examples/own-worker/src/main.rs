//! goworker with a worker of one's own. The binary has all commands and all kinds of goworker, and this one.
//!
//!     cargo run -p own-worker -- examples/own-worker/backup.ron --until-idle
//!     cargo run -p own-worker -- describe backup

mod backup;

fn main() -> std::process::ExitCode {
    goworker::cli::main()
}
