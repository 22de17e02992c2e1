//! goworker with the worker `my_worker`.

mod my_worker;

fn main() -> std::process::ExitCode {
    goworker::cli::main()
}
