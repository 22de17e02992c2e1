//! goworker with a provider and a worker of one's own.
//!
//!     cargo run -p own-plugins -- examples/own-plugins/countdown.ron --until-idle

mod countdown;
mod shout;

fn main() -> std::process::ExitCode {
    goworker::cli::main()
}
