//! `cli`: runs a command for each job. Which commands may run is the configuration's word, never the job's.
//!
//! The job's params are GoWorker's: `{"command": "/usr/bin/ffmpeg", "params": ["-i", "in.mov", "out.mp4"]}`. The command
//! is one of `allow`, letter by letter; there is no search path and no shell, so each param arrives as one argument,
//! whatever is in it. `allow: any` is GoWorker's freedom, bare names and PATH included: where any absolute path may be
//! run, a search path gives nobody more power, and GoWorker's producers use it. Exit code 0 is done, 65 (`EX_DATAERR`: the input is bad) fails at once, others are tried again.

mod allow;
mod capture;
mod process;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::anyhow;
use goworker::units::Size;
use goworker::{Context, Job, Output, Remark, Setup, WorkError, WorkResult, Worker, worker};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::process::Command;

use self::allow::{Allow, Refusal, folders_of_path};
use self::process::Ended;

/// Runs commands: exit code 0 is done, 65 fails at once, others are tried again.
#[worker(since = "0.1.0", params = CommandLine)]
pub(crate) struct Cli {
    /// The commands that jobs may run, as absolute paths; or `any`.
    #[config(example = ["/bin/date"])]
    allow: Allow,
    /// Environment variables for the commands, beside JOB_ID, JOB_NAME, JOB_ATTEMPT and JOB_TOKEN. Nothing else is passed on.
    #[config(default)]
    env: BTreeMap<String, String>,
    /// The working directory of the commands; the folder of the configuration if left out.
    directory: Option<PathBuf>,
    /// How much of a command's output is kept, if the job asks for it.
    #[config(default = "1MiB")]
    output_limit: Size,
    /// Where bare names are looked up, if any command is allowed.
    #[state]
    folders: Vec<PathBuf>,
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
        if self.allow == Allow::Any {
            self.folders = folders_of_path();
            tracing::warn!(worker = setup.name, "{ANYTHING}");
        }
        self.directory.get_or_insert_with(|| setup.base.clone());
        Ok(())
    }

    async fn work(&self, job: &Job, ctx: &Context) -> WorkResult {
        let line: CommandLine = job.params()?;
        let program = self.allow.program(&line.command, &self.folders).map_err(|refusal| match refusal {
            Refusal::Never(message) => WorkError::fail(anyhow!(message)),
            Refusal::NotNow(message) => WorkError::retry(anyhow!(message)),
        })?;
        let kept = job.capture_output == Some(true);
        let command = self.command(Command::new(&*program), &line.params, kept, job, ctx);
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

    fn remarks(&self) -> Vec<Remark> {
        let is_free = self.allow == Allow::Any;
        let free = is_free.then(|| Remark::warning("allow", ANYTHING).help("name what is needed, as in `allow: [\"/usr/bin/ffmpeg\"]`"));
        free.into_iter().chain(self.env.keys().filter_map(|name| misnamed(name))).collect()
    }
}

/// What `allow: any` means.
const ANYTHING: &str = "`allow: any`: whoever can give jobs in can run any command, as the user that goworker runs as";

impl Cli {
    fn command(&self, mut command: Command, params: &[String], kept: bool, job: &Job, ctx: &Context) -> Command {
        command
            .args(params)
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

/// What is wrong with the name of a variable in `env`.
fn misnamed(name: &str) -> Option<Remark> {
    const OURS: [&str; 4] = ["JOB_ID", "JOB_NAME", "JOB_ATTEMPT", "JOB_TOKEN"];
    if OURS.contains(&name) {
        let message = format!("`{name}` is set by goworker itself for each job");
        return Some(Remark::error("env", message).help("choose another name"));
    }
    let is_name = !name.is_empty() && !name.contains(['=', '\0']);
    (!is_name).then(|| Remark::error("env", format!("`{}` is not a name of a variable", name.escape_debug())))
}
