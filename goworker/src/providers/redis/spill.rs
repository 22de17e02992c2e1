//! Spilling: when the server's memory is nearly full, waiting jobs move to another queue. Here is when, and what a move is on the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use goworker::settings::QueueName;
use goworker::units::Size;
use goworker::{Ids, JobId, Move, ProviderError, Token};
use schemars::JsonSchema;
use serde::Deserialize;

use super::calls::Calls;
use super::{decode, script};

/// When waiting jobs move to another queue, and to which.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spill {
    /// They move while the server uses more memory than this (`used_memory`), such as `"2GiB"`, until it uses a twentieth less.
    above: Size,
    /// The queue that they move to.
    #[schemars(extend("examples" = ["local"]))]
    pub(super) into: QueueName,
}

/// How many jobs move at once. The target accepts them in one step.
const MOST: usize = goworker::MAX_BULK;
/// How many bytes of jobs, about. They are in the memory of the process, and on their way in the server's.
const MOST_BYTES: u64 = 8 << 20;

/// A queue that spills.
#[derive(Debug)]
pub(super) struct Spilling {
    above: u64,
    calls: Arc<Calls>,
    ids: Ids,
    /// Whether memory was short when it was looked at last.
    is_short: AtomicBool,
    /// Whether it was told that memory is short although nothing can move.
    told: AtomicBool,
}

impl Spilling {
    pub(super) fn new(spill: &Spill, calls: Arc<Calls>, ids: Ids) -> Self {
        Spilling { above: spill.above.bytes(), calls, ids, is_short: AtomicBool::new(false), told: AtomicBool::new(false) }
    }

    pub(super) async fn take_move(&self, target: &str, types: &[Arc<str>]) -> Result<Option<Move>, ProviderError> {
        let used = self.used_memory().await?;
        let excess = excess(used, self.above, self.is_short.load(Ordering::Relaxed));
        let short = excess > 0;
        self.is_short.store(short, Ordering::Relaxed);
        let mut call = self.calls.read(&script::TAKE_MOVE);
        call.cmd.arg(target).arg(self.ids.next().as_str()).arg(u8::from(short)).arg(MOST).arg(excess.min(MOST_BYTES));
        for job_type in types {
            call.cmd.arg(&**job_type);
        }
        let (token, store, records): (u64, String, Vec<Option<Vec<u8>>>) = call.answer().await?;
        let is_stuck = short && token == 0;
        if is_stuck && !self.told.swap(is_stuck, Ordering::Relaxed) {
            let (used, above) = (Size(used), Size(self.above));
            tracing::warn!(target: "goworker::spill", "Redis at {} uses {used}, more than {above}, and no job of the queue can move", self.calls.server.place);
        }
        self.told.store(is_stuck, Ordering::Relaxed);
        if token == 0 {
            return Ok(None);
        }
        let mut jobs = Vec::with_capacity(records.len());
        for record in records {
            match decode::moving(record.as_deref(), &self.ids) {
                Ok(job) => jobs.push(Arc::new(job)),
                // It stays, and becomes a dead letter when its turn comes.
                Err(error) => tracing::error!(target: "goworker::spill", "a stored job cannot be read, so it does not move: {error:#}"),
            }
        }
        Ok(Some(Move { token: Token(token), store, jobs }))
    }

    pub(super) async fn end_move(
        &self,
        target: &str,
        token: Token,
        moved: &[JobId],
        cancelled: &[JobId],
    ) -> Result<Vec<JobId>, ProviderError> {
        let mut call = self.calls.read(&script::END_MOVE);
        call.cmd.arg(target).arg(token.0).arg(moved.len());
        for id in moved.iter().chain(cancelled) {
            call.cmd.arg(id.as_str());
        }
        let wishes: Vec<String> = call.answer().await?;
        wishes.iter().map(|id| id.parse().map_err(|error: String| ProviderError::Failed(anyhow::anyhow!(error)))).collect()
    }

    /// What the server has allocated. Not what it holds of the system, which stays high for a long time after memory was freed.
    async fn used_memory(&self) -> Result<u64, ProviderError> {
        let mut cmd = redis::cmd("INFO");
        cmd.arg("memory");
        let memory: String = self.calls.ask(cmd).await?;
        used_memory(&memory).ok_or_else(|| ProviderError::Failed(anyhow::anyhow!("Redis does not tell its `used_memory`")))
    }
}

fn used_memory(info: &str) -> Option<u64> {
    info.lines().find_map(|line| line.strip_prefix("used_memory:"))?.trim().parse().ok()
}

/// How many bytes are to move, if any. Once jobs move, they go on until memory is a little below the bound, so that a move is not one of
/// a few jobs, again and again.
fn excess(used: u64, above: u64, was_short: bool) -> u64 {
    let enough = above - above / 20;
    if used > above || was_short { used.saturating_sub(enough) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_move_above_the_bound_until_memory_is_a_little_below_it() {
        assert_eq!(excess(1_000, 1_000, false), 0, "at the bound nothing begins");
        assert_eq!(excess(1_001, 1_000, false), 51);
        assert_eq!(excess(960, 1_000, true), 10, "what has begun goes on");
        assert_eq!(excess(950, 1_000, true), 0);
        assert_eq!(excess(960, 1_000, false), 0, "and does not begin again at once");
        assert_eq!(excess(0, 0, true), 0);
    }

    #[test]
    fn the_memory_in_use_is_told_from_that_which_is_held() {
        let info = "# Memory\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\nused_memory_rss:9000000\r\n";
        assert_eq!(used_memory(info), Some(1_048_576));
        assert_eq!(used_memory("# Memory\r\n"), None);
    }
}
