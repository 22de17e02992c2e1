//! goworker with the tests' own workers: a user's own binary in three lines.

use std::process::ExitCode;

use goworker_tests as _;

fn main() -> ExitCode {
    goworker::cli::main()
}
