//! goworker with the provider `my_provider`.

mod my_provider;

fn main() -> std::process::ExitCode {
    goworker::cli::main()
}
