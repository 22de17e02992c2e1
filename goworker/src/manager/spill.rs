//! A spill moves waiting jobs from a queue that is short of room into another one, so that a crash at any point neither loses nor
//! doubles one.
//!
//! ```text
//! take ──▶ the jobs are in no place, and noted as a move ──▶ enqueue, with a cursor ──▶ end: the move is forgotten
//! ```
//!
//! A move never goes back. The target's cursor tells whether it has been accepted, even after the jobs have ended there and were
//! forgotten: it stands at the token of the last move that was, and tokens grow. So whoever finds a move open, after a crash too,
//! knows how to go on. The target is named by what is written in its store, since another machine's queue of that name is another one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OnceCell, watch};

use crate::clock::Random;
use crate::job::{Ids, JobId};
use crate::plugin::QueueHandle;
use crate::provider::{Cursor, ProviderError};
use crate::queue::Enqueued;
use crate::spill::Move;
use crate::units::Dur;

use super::lane::reconnect_delay;
use super::link::LinkState;
use super::stop::Phase;

/// How often it is looked whether there is room.
const LOOK: Duration = Duration::from_secs(2);

/// The cursor by which a store is known, the source's too. It never moves.
const IDENTITY: &str = "identity";

pub(super) struct Spill {
    pub(super) name: String,
    pub(super) source: QueueHandle,
    pub(super) target_name: String,
    pub(super) target: QueueHandle,
    /// What is run here: jobs of other types would wait in the target for nobody.
    pub(super) types: Vec<Arc<str>>,
    pub(super) ids: Ids,
    pub(super) random: Random,
    /// The name of the target's store, once it is known.
    pub(super) known_target: OnceCell<String>,
}

/// From the first move to the moment when there is nothing more to move.
struct Spell {
    began: Instant,
    moved: u64,
}

impl Spill {
    /// Runs until the end is asked for. A move that is under way then is finished if it can be, unless the end is asked for twice.
    pub(super) async fn run(self, mut phase: watch::Receiver<Phase>, state: watch::Sender<LinkState>) {
        let (mut spell, mut outages) = (None, 0);
        while *phase.borrow() == Phase::Running {
            let moved = tokio::select! {
                biased;
                moved = self.move_some(&state) => moved,
                _ = phase.wait_for(|phase| *phase == Phase::Releasing) => break,
            };
            let pause = match moved {
                Ok(Some(moved)) => {
                    outages = 0;
                    self.goes_on(&mut spell, moved);
                    state.send_modify(|state| state.linked += moved);
                    continue;
                }
                Ok(None) => {
                    outages = 0;
                    self.is_over(spell.take());
                    state.send_modify(|state| state.idle = true);
                    LOOK
                }
                Err(error) => {
                    outages += 1;
                    self.cannot(&error, outages)
                }
            };
            tokio::select! {
                biased;
                _ = phase.wait_for(|phase| *phase != Phase::Running) => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.is_over(spell);
    }

    /// Makes one move, or finishes one; answers how many jobs are in the target by that. `None` if there was none to make.
    async fn move_some(&self, state: &watch::Sender<LinkState>) -> Result<Option<u64>, ProviderError> {
        let target = self.known_target.get_or_try_init(|| self.target_identity()).await?;
        let Some(open) = self.source.take_move(target, &self.types).await? else { return Ok(None) };
        state.send_modify(|state| state.idle = false);
        let moved = self.accept(&open).await?;
        let mut cancelled = Vec::new();
        loop {
            let asked = self.source.end_move(target, open.token, &moved, &cancelled).await?;
            if asked.is_empty() {
                return Ok(Some(moved.len() as u64));
            }
            self.target.cancel(&asked).await?;
            cancelled.extend(asked);
        }
    }

    /// Names the store of the target, for ever and like no other.
    async fn target_identity(&self) -> Result<String, ProviderError> {
        let target = match self.target.cursor(IDENTITY).await? {
            Some(known) => known,
            None => {
                let new = Cursor { name: IDENTITY.to_owned(), from: None, to: self.ids.next().to_string() };
                match self.target.enqueue(&[], Some(&new)).await {
                    Ok(_) => new.to,
                    Err(ProviderError::CursorMoved { at: Some(known), .. }) => known,
                    Err(error) => return Err(error),
                }
            }
        };
        // Two entries may lead to one store, and it would take its own jobs for others that it has already.
        if self.source.cursor(IDENTITY).await?.as_ref() == Some(&target) {
            let message = format!("`{}` and `{}` are one and the same queue", self.name, self.target_name);
            return Err(ProviderError::Unsupported(message));
        }
        Ok(target)
    }

    /// Sees to it that the target has accepted the jobs, once; answers which of them it has.
    async fn accept(&self, open: &Move) -> Result<Vec<JobId>, ProviderError> {
        let name = format!("spill:{}", open.store);
        let from = self.target.cursor(&name).await?;
        if is_accepted(from.as_deref(), open)? {
            return self.find(open).await;
        }
        // If another process is faster, the cursor has moved: what it did is found the next time.
        let answers = self.target.enqueue(&open.jobs, Some(&Cursor { name, from, to: open.token.to_string() })).await?;
        let moved = open.jobs.iter().zip(&answers).filter(|(job, answer)| match answer {
            Enqueued::Created | Enqueued::Replaced(_) | Enqueued::Exists => true,
            Enqueued::Conflict | Enqueued::Held(_) => {
                tracing::warn!(target: "goworker::spill", queue = self.name, "job `{}` stays: `{}` has another with its id", job.id, self.target_name);
                false
            }
        });
        Ok(moved.map(|(job, _)| job.id.clone()).collect())
    }

    /// Which jobs of a move the target has accepted. One that is there no longer has ended, and was forgotten since.
    async fn find(&self, open: &Move) -> Result<Vec<JobId>, ProviderError> {
        let mut moved = Vec::with_capacity(open.jobs.len());
        for job in &open.jobs {
            let there = self.target.get(&job.id).await?;
            if there.is_none_or(|record| record.job.to_json() == job.to_json()) {
                moved.push(job.id.clone());
            }
        }
        Ok(moved)
    }

    fn goes_on(&self, spell: &mut Option<Spell>, moved: u64) {
        let spell = spell.get_or_insert_with(|| {
            tracing::warn!(target: "goworker::spill", queue = self.name, "it is short of room: waiting jobs move to `{}`", self.target_name);
            Spell { began: Instant::now(), moved: 0 }
        });
        spell.moved += moved;
    }

    fn is_over(&self, spell: Option<Spell>) {
        if let Some(Spell { began, moved }) = spell {
            let jobs = if moved == 1 { "1 job has".to_owned() } else { format!("{moved} jobs have") };
            let took = Dur::millis(began.elapsed().as_millis() as u64);
            tracing::info!(target: "goworker::spill", queue = self.name, "{jobs} moved to `{}` in {took}", self.target_name);
        }
    }

    /// Tells of an error; answers when to try again.
    fn cannot(&self, error: &ProviderError, outages: u32) -> Duration {
        let delay = reconnect_delay(outages, self.random.fraction());
        tracing::warn!(target: "goworker::spill", queue = self.name, "jobs cannot move to `{}`, again in {delay:.1?}: {error}", self.target_name);
        delay
    }
}

/// Whether the move was accepted by a store whose cursor stands there.
fn is_accepted(cursor: Option<&str>, open: &Move) -> Result<bool, ProviderError> {
    let Some(at) = cursor else { return Ok(false) };
    let last: u64 =
        at.parse().map_err(|_| ProviderError::Failed(anyhow::anyhow!("the cursor of a spill stands at `{at}`, which is no token")))?;
    Ok(last >= open.token.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Token;

    #[test]
    fn a_move_is_accepted_if_the_cursor_stands_at_its_token_or_a_later_one() {
        let open = Move { token: Token(10), store: "a".to_owned(), jobs: Vec::new() };
        assert!(!is_accepted(None, &open).unwrap());
        assert!(!is_accepted(Some("9"), &open).unwrap());
        assert!(is_accepted(Some("10"), &open).unwrap());
        assert!(is_accepted(Some("11"), &open).unwrap(), "the source has lost that it has ended");
        assert!(is_accepted(Some("ten"), &open).is_err());
    }
}
