//! goworker with the plugins that it names: whatever else is linked is not there.

use std::process::ExitCode;

use goworker::Registry;
use goworker_tests::workers::Noop;

fn main() -> ExitCode {
    goworker::cli::main_with(&Registry::builtin().with_plugin::<Noop>().with_plugin::<renamed::Parrot>())
}
