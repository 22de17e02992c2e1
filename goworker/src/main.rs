//! The stock binary: all built-in plugins and nothing else.

fn main() -> std::process::ExitCode {
    goworker::cli::main()
}
