//! goworker with a provider of one's own, which reads a mailbox over the network.
//!
//!     MAILBOX=localhost:1143 cargo run -p own-provider -- examples/own-provider/mail.ron

mod connection;
mod mailbox;

fn main() -> std::process::ExitCode {
    goworker::cli::main()
}
