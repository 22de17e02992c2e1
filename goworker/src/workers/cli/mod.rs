//! `cli`: runs a command for each job. Which commands may run is the configuration's word, never the job's.
//!
//! The job's params are GoWorker's: `{"command": "/usr/bin/ffmpeg", "params": ["-i", "in.mov", "out.mp4"]}`. The command
//! is one of `allow`, letter by letter; there is no search path and no shell, so each param arrives as one argument,
//! whatever is in it. Exit code 0 is done, 65 (`EX_DATAERR`: the input is bad) fails at once, others are tried again.

mod capture;
mod process;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{anyhow, bail, ensure};
use goworker::units::Size;
use goworker::{Context, Job, Output, Setup, WorkError, WorkResult, Worker, worker};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::process::Command;

use self::process::Ended;

/// Runs commands: exit code 0 is done, 65 fails at once, others are tried again.
#[worker(since = "0.1.0", params = CommandLine)]
pub(crate) struct Cli {
    /// The commands that jobs may run, as absolute paths.
    #[config(example = ["/bin/date"])]
    allow: Vec<String>,
    /// Environment variables for the commands, beside JOB_ID, JOB_NAME, JOB_ATTEMPT and JOB_TOKEN. Nothing else is passed on.
    #[config(default)]
    env: BTreeMap<String, String>,
    /// The working directory of the commands; the folder of the configuration if left out.
    directory: Option<PathBuf>,
    /// How much of a command's output is kept, if the job asks for it.
    #[config(default = "1MiB")]
    output_limit: Size,
}

/// A command and its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object: {\"command\": \"/path\", \"params\": [\"...\"]}")]
struct CommandLine {
    /// The command; one of those that the worker allows, letter by letter.
    command: String,
    /// Its arguments. There is no shell: each arrives as it is.
    #[serde(default)]
    params: Vec<String>,
    /// There if this is a failure handler's job. The command cannot see it.
    #[serde(rename = "failed")]
    #[schemars(with = "Option<serde_json::Value>")]
    _failed: Option<IgnoredAny>,
}

/// The exit code that says: trying again will not help.
const FAIL_AT_ONCE: i32 = 65;

impl Worker for Cli {
    async fn init(&mut self, setup: &Setup) -> anyhow::Result<()> {
        check_allowed(&self.allow)?;
        self.env.keys().try_for_each(|name| check_variable(name))?;
        self.directory.get_or_insert_with(|| setup.base.clone());
        Ok(())
    }

    async fn work(&self, job: &Job, ctx: &Context) -> WorkResult {
        let line: CommandLine = job.params()?;
        if !self.allow.contains(&line.command) {
            return Err(WorkError::fail(anyhow!(
                "`{}` is not in `allow`; this worker runs {}",
                line.command.escape_debug(),
                self.allow.join(", ")
            )));
        }
        let kept = job.capture_output == Some(true);
        let command = self.command(&line, kept, job, ctx);
        let limit = usize::try_from(self.output_limit.bytes()).unwrap_or(usize::MAX);
        let under_way = ctx.foreign_work().await;
        let ended = process::run(command, limit, ctx.cancelled()).await.map_err(|error| self.not_started(&line.command, &error))?;
        drop(under_way);

        ended.stderr.lines().for_each(|line| ctx.note(line));
        judge(&line.command, &ended)?;
        if !kept {
            return Ok(Output::none());
        }
        if ended.stdout.is_cut() {
            ctx.note(format!("the output was longer than {}; the rest is not kept", self.output_limit));
        }
        Ok(Output::of(&ended.stdout.text())?)
    }
}

impl Cli {
    fn command(&self, line: &CommandLine, kept: bool, job: &Job, ctx: &Context) -> Command {
        let mut command = Command::new(&line.command);
        command
            .args(&line.params)
            .env_clear()
            .envs(&self.env)
            .env("JOB_ID", job.id.as_str())
            .env("JOB_NAME", &job.name)
            .env("JOB_ATTEMPT", ctx.attempt().to_string())
            .env("JOB_TOKEN", ctx.token().to_string())
            .stdin(Stdio::null())
            .stdout(if kept { Stdio::piped() } else { Stdio::null() })
            .stderr(Stdio::piped());
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }

    /// Most reasons pass: a deploy replaces the command just now, there are too many processes. What the job itself
    /// makes impossible fails at once.
    fn not_started(&self, command: &str, error: &io::Error) -> WorkError {
        let missing = self.directory.as_deref().filter(|directory| !directory.is_dir());
        let text = match missing {
            Some(directory) => anyhow!("cannot start {command}: its working directory {} is not there", directory.display()),
            None => anyhow!("cannot start {command}: {error}"),
        };
        match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::ArgumentListTooLong => WorkError::fail(text),
            _ => WorkError::retry(text),
        }
    }
}

/// What follows from the way a command has ended.
fn judge(command: &str, Ended { status, stopped, stderr, .. }: &Ended) -> Result<(), WorkError> {
    let said = stderr.last_line().map(|line| format!(": {line}")).unwrap_or_default();
    if *stopped {
        return Err(WorkError::retry(anyhow!("{command} was stopped before its end{said}")));
    }
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => {
            let error = anyhow!("{command} exited with {code}{said}");
            let error = if code == FAIL_AT_ONCE { WorkError::fail(error) } else { WorkError::retry(error) };
            Err(error.with_exit_code(code))
        }
        (None, Some(signal)) => Err(WorkError::retry(anyhow!("{command} was killed by signal {signal}{said}"))),
        (None, None) => Err(WorkError::retry(anyhow!("{command} ended: {status}{said}"))),
    }
}

fn check_allowed(allow: &[String]) -> anyhow::Result<()> {
    ensure!(!allow.is_empty(), "`allow` is empty, so no job could run; name the commands by their absolute paths");
    match allow.iter().find(|command| !Path::new(command).is_absolute()) {
        Some(command) => {
            bail!("`{command}` in `allow` is not an absolute path; write it as in \"/usr/bin/ffmpeg\", no search path is used")
        }
        None => Ok(()),
    }
}

fn check_variable(name: &str) -> anyhow::Result<()> {
    const OURS: [&str; 4] = ["JOB_ID", "JOB_NAME", "JOB_ATTEMPT", "JOB_TOKEN"];
    ensure!(!OURS.contains(&name), "`{name}` in `env` is set by goworker itself for each job; choose another name");
    ensure!(!name.is_empty() && !name.contains(['=', '\0']), "`{}` in `env` is not a name of a variable", name.escape_debug());
    Ok(())
}
