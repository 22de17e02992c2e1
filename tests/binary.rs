//! goworker with plugins of other crates: a user's own binary in three lines.

use std::process::ExitCode;

goworker::plugins![goworker_tests, alone, renamed];

goworker::allocator!();

fn main() -> ExitCode {
    goworker::cli::main()
}
