//! The stock binary: all built-in plugins and nothing else.

goworker::allocator!();

fn main() -> std::process::ExitCode {
    goworker::cli::main()
}
