//! What people ask for by hand: cancel, retry, delete.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Result;

use crate::job::JobId;
use crate::queue::{Change, State};

use super::place::{Known, Place, find, locate, score};
use super::seqs::Seqs;
use super::store::Store;
use super::unique::Windows;

/// What to do with jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Cancel,
    Retry,
    Delete,
}

/// What one call has done so far.
#[derive(Default)]
struct Round {
    /// Jobs that were cancelled or deleted.
    ended: BTreeSet<i64>,
    /// Jobs that have left an entry of finished ones.
    left: BTreeMap<i64, BTreeSet<i64>>,
}

impl Store {
    /// Grants a wish for each job whose state allows it. Entries of many jobs are written once.
    pub(super) fn change(&mut self, wish: Wish, ids: &[JobId]) -> Result<Vec<Change>> {
        let mut round = Round::default();
        let changes = ids.iter().map(|id| self.change_one(wish, id, &mut round)).collect::<Result<_>>()?;
        for (n, left) in round.left {
            let seqs = self.one::<Seqs>("SELECT seqs FROM finished WHERE n = ?1", [n])?;
            let rest = seqs.into_iter().flat_map(|seqs| seqs.0).filter(|seq| !left.contains(seq)).collect();
            self.keep_finished(n, &Seqs(rest))?;
            self.tally.remove_done(left.len());
        }
        let ended: Vec<i64> = round.ended.into_iter().collect();
        match wish {
            Wish::Cancel => self.put_finished("cancelled", ended)?,
            Wish::Delete => {
                let ended = Seqs(ended);
                self.pass_keys_on(&ended, Windows::Over)?;
                self.free_keys(&ended)?;
                self.forget(&ended)?;
            }
            Wish::Retry => {}
        }
        Ok(changes)
    }

    fn change_one(&mut self, wish: Wish, id: &JobId, round: &mut Round) -> Result<Change> {
        let Some(job) = find(self.conn(), id.as_str())? else { return Ok(Change::Absent) };
        if round.ended.contains(&job.seq) {
            // The same id twice.
            return Ok(if wish == Wish::Delete { Change::Absent } else { Change::Refused(State::Cancelled) });
        }
        let place = locate(self.conn(), &job)?;
        let is_over = place.state().is_final();
        match (wish, &place) {
            (Wish::Cancel, _) if is_over => return Ok(Change::Refused(place.state())),
            (Wish::Cancel, Place::Running { token, .. }) => {
                self.run("INSERT OR IGNORE INTO cancel(token, seq) VALUES(?1, ?2)", [*token, job.seq])?;
                return Ok(Change::Requested);
            }
            (Wish::Retry, _) if !is_over => return Ok(Change::Refused(place.state())),
            (Wish::Delete, Place::Running { .. }) => return Ok(Change::Refused(place.state())),
            _ => {}
        }
        if wish == Wish::Retry
            && let Some(holder) = self.hold_again(job.seq)?
        {
            return Ok(Change::Held(holder));
        }
        match place {
            Place::Finished { n, .. } => drop(round.left.entry(n).or_default().insert(job.seq)),
            _ => self.leave(&job, &place)?,
        }
        match wish {
            Wish::Cancel => drop(round.ended.insert(job.seq)),
            Wish::Delete => {
                round.ended.insert(job.seq);
                self.stirred.ended.push(job.seq);
            }
            Wish::Retry => self.renew_life(job.seq)?,
        }
        Ok(Change::Changed)
    }

    /// Takes a job that waits or is dead out of its place.
    pub(super) fn leave(&mut self, job: &Known, place: &Place) -> Result<()> {
        match place {
            Place::Ready => {
                let key = (&job.job_type, score(job.due, job.prio), job.seq);
                self.run("DELETE FROM ready WHERE type = ?1 AND score = ?2 AND seq = ?3", key)?;
            }
            Place::Scheduled => {
                self.run("DELETE FROM scheduled WHERE due = ?1 AND seq = ?2", [job.due, job.seq])?;
            }
            Place::Dead { .. } => {
                self.run("DELETE FROM dead WHERE seq = ?1", [job.seq])?;
                self.tally.remove_dead(1);
            }
            Place::Running { .. } | Place::Finished { .. } | Place::Lost => {}
        }
        Ok(())
    }

    /// Makes a job ready that counts anew. What it has behind it stays listed, but its output, which is to come again.
    fn renew_life(&mut self, seq: i64) -> Result<()> {
        self.run("DELETE FROM output WHERE seq = ?1", [seq])?;
        self.run(
            "UPDATE job SET attempts = 0, crashes = 0, due = ?2, expires = NULL,
               earlier = (SELECT coalesce(max(n), 0) FROM attempt WHERE seq = ?1) WHERE seq = ?1",
            [seq, self.now],
        )?;
        self.put_back(seq)
    }
}
