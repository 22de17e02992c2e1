//! `run`: the daemon. Checks the configuration, hands it to the manager, passes signals on, and tells how it ended.

mod profile;
mod summary;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::profile::ProfileArgs;
use super::Format;
use super::fault::Fault;
use super::load::ConfigArg;
use super::terminal::{self, Reader};
use crate::config::Config;
use crate::manager::{Manager, Options, Stop, Summary};
use crate::registry::Registry;

/// Run jobs until stopped, or until there is nothing left to do
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Stops at the first Ctrl-C or SIGTERM: nothing new is started, and running jobs have the time that `shutdown: (grace: ..)` \
gives them. The second one gives them back at once. Neither costs a job an attempt.

With --until-idle, jobs that their producer has delayed, paused jobs and jobs of types that no worker here runs are reported \
and not waited for. Exit code 1 if a job died in this run, or if jobs of an unknown type remain.")]
pub(super) struct RunArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// End when all is done: sources are empty and no job is ready, running or awaiting a retry
    #[arg(long)]
    until_idle: bool,
    /// How the summary at the end is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    profiles: ProfileArgs,
}

impl RunArgs {
    pub(super) fn execute(self, registry: &Registry) -> Result<(), Fault> {
        self.profiles.restart_if_needed()?;
        let config = self.config.load(registry)?;
        let profiles = self.profiles.start()?;
        let summary = supervise(config, self.until_idle)?;
        let written = profiles.write();
        match self.format {
            Format::Text => terminal::print(&summary::text(&summary, Reader::of_stdout()))?,
            Format::Json => terminal::print_json(&terminal::json(&summary))?,
        }
        judge(summary, self.until_idle).and(written)
    }
}

/// Starts everything and runs it to its end. Job code has a runtime of its own.
fn supervise(config: Config, until_idle: bool) -> Result<Summary, Fault> {
    let work = runtime(Builder::new_multi_thread().thread_name("goworker-work"))?;
    let control = runtime(&mut Builder::new_current_thread())?;
    let told = format!("running {}{}", config.path.display(), if until_idle { " until idle" } else { "; Ctrl-C stops" });
    let options = Options { until_idle, ..Options::new(work.handle().clone()) };
    let result = control.block_on(async {
        let stop = Stop::new();
        // Listening begins before the first plugin starts, so that no signal finds nobody.
        let signals = Signals::listen()?;
        let manager = Manager::start(config, options).await.map_err(|error| Fault::Unavailable(error.to_string()))?;
        tracing::info!("{told}");
        tokio::select! {
            summary = manager.run(&stop) => Ok(summary),
            never = signals.forward(&stop) => match never {},
        }
    });
    // A job that blocks its thread must not keep the process alive.
    work.shutdown_background();
    result
}

fn runtime(builder: &mut Builder) -> Result<Runtime, Fault> {
    builder.enable_all().build().map_err(|error| Fault::Unavailable(format!("no threads to be had: {error}")))
}

/// The signals that ask for an end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Fault> {
        let listen = |kind| signal(kind).map_err(|error| Fault::Unavailable(format!("signals cannot be received: {error}")));
        Ok(Signals { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Every signal is a request: the first to finish, the second to let go.
    async fn forward(mut self, stop: &Stop) -> std::convert::Infallible {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
            }
            stop.request();
        }
    }
}

/// Whether the run was a success.
fn judge(summary: Summary, until_idle: bool) -> Result<(), Fault> {
    match summary.fatal {
        Some(reason) => Err(Fault::Unavailable(reason)),
        // The summary has told what failed. A daemon has done its work if it was only stopped.
        None if until_idle && (summary.stats.total().dead > 0 || !summary.unknown.is_empty()) => Err(Fault::Told),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manager::Waiting;

    #[test]
    fn a_run_until_idle_fails_if_a_job_died_or_nobody_can_run_it() {
        let fails = |summary: Summary, until_idle| judge(summary, until_idle).is_err();
        let with_dead = || {
            let mut summary = Summary::default();
            summary.stats.by_provider.entry("jobs".into()).or_default().entry("lua".into()).or_default().dead = 1;
            summary
        };
        let waiting = Waiting { queue: "jobs".into(), job_type: "resise".into(), jobs: 1 };
        assert!(fails(with_dead(), true) && !fails(with_dead(), false));
        assert!(fails(Summary { unknown: vec![waiting.clone()], ..Summary::default() }, true));
        assert!(!fails(Summary { delayed: vec![waiting], ..Summary::default() }, true));
        assert!(fails(Summary { fatal: Some("disk full".into()), ..Summary::default() }, false));
    }
}
