//! One child process from start to end, with all that it starts itself: they form a process group, and nothing of the
//! group outlives the job. (A process that leaves the group, a daemon that calls `setsid`, has left on purpose.)

use std::io;
use std::pin::Pin;
use std::process::ExitStatus;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::FusedFuture;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::capture::{Head, Sink, Tail};

/// How long a command may take to end after SIGTERM, before SIGKILL.
const TERM_TO_KILL: Duration = Duration::from_secs(2);

/// How long the pipes are read after the command has ended: a child of its own may be about to write the last lines
/// (`exec > >(tee log)`), and may as well hold the pipe for ever.
const LAST_LINES: Duration = Duration::from_millis(500);

/// How much of the end of stderr is kept.
const STDERR_TAIL: usize = 16 << 10;

/// A command that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// Whether it was told to stop before it had ended.
    pub(super) stopped: bool,
    pub(super) stdout: Head,
    pub(super) stderr: Tail,
}

/// Starts the command and returns when it has ended, of itself or because `stop` returned. If this future is dropped,
/// the whole group is killed.
pub(super) async fn run(mut command: Command, stdout_limit: usize, stop: impl Future<Output = ()>) -> io::Result<Ended> {
    let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
    let group = Group::of(&child)?;
    let (mut stdout, mut stderr) = (Head::new(stdout_limit), Tail::new(STDERR_TAIL));
    let (out, err) = (child.stdout.take(), child.stderr.take());

    let (status, stopped) = {
        let reading = async { tokio::join!(read(out, &mut stdout), read(err, &mut stderr)) }.map(|_| ()).fuse();
        tokio::pin!(reading);
        let (status, stopped) = tokio::select! {
            status = end(&mut child, reading.as_mut()) => (status?, false),
            () = stop => (group.stop(&mut child, reading.as_mut()).await?, true),
        };
        if !reading.is_terminated() {
            // Over time means that somebody else holds the pipe; what was read until now is all we wait for.
            let _ = timeout(LAST_LINES, reading).await;
        }
        (status, stopped)
    };
    Ok(Ended { status, stopped, stdout, stderr })
}

/// Waits for the end of the child, and reads its pipes meanwhile, lest it blocks on a full one.
async fn end(child: &mut Child, reading: Pin<&mut impl FusedFuture<Output = ()>>) -> io::Result<ExitStatus> {
    if reading.is_terminated() {
        return child.wait().await;
    }
    tokio::select! {
        status = child.wait() => status,
        () = reading => child.wait().await,
    }
}

/// Reads to the end. A pipe that fails has nothing more to tell; the exit code still does.
async fn read(pipe: Option<impl AsyncRead + Unpin>, sink: &mut impl Sink) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = vec![0; 8 << 10];
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        sink.take(&buffer[..count]);
    }
}

/// The child's process group. What is left of it is killed when this is dropped.
#[derive(Debug)]
struct Group(Pid);

impl Group {
    fn of(child: &Child) -> io::Result<Self> {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        id.map(Group).ok_or_else(|| io::Error::other("the process has no id"))
    }

    fn signal(&self, signal: Signal) {
        // It fails if nothing is left of the group, which is what is wanted.
        let _ = kill_process_group(self.0, signal);
    }

    /// Asks all to end, and makes them end if they do not.
    async fn stop(&self, child: &mut Child, mut reading: Pin<&mut impl FusedFuture<Output = ()>>) -> io::Result<ExitStatus> {
        self.signal(Signal::TERM);
        match timeout(TERM_TO_KILL, end(child, reading.as_mut())).await {
            Ok(status) => status,
            Err(_) => {
                self.signal(Signal::KILL);
                end(child, reading).await
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
