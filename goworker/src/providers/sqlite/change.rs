//! What people ask for by hand: cancel, retry, delete.

use rusqlite::Result;

use crate::job::JobId;
use crate::queue::Change;

use super::place::{Known, Place, find, locate, score};
use super::seqs::Seqs;
use super::store::Store;

/// What to do with jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Cancel,
    Retry,
    Delete,
}

impl Store {
    /// Grants a wish for each job whose state allows it.
    pub(super) fn change(&mut self, wish: Wish, ids: &[JobId]) -> Result<Vec<Change>> {
        ids.iter().map(|id| self.change_one(wish, id)).collect()
    }

    fn change_one(&mut self, wish: Wish, id: &JobId) -> Result<Change> {
        let Some(job) = find(self.conn(), id.as_str())? else { return Ok(Change::Absent) };
        let place = locate(self.conn(), &job)?;
        let ended = place.state().is_final();
        match wish {
            Wish::Cancel if ended => return Ok(Change::Refused(place.state())),
            Wish::Cancel => {
                if let Place::Running { token, .. } = place {
                    self.run("INSERT OR IGNORE INTO cancel(token, seq) VALUES(?1, ?2)", [token, job.seq])?;
                    return Ok(Change::Requested);
                }
                self.leave(&job, &place)?;
                self.put_finished("cancelled", vec![job.seq])?;
            }
            Wish::Retry if !ended => return Ok(Change::Refused(place.state())),
            Wish::Retry => {
                self.leave(&job, &place)?;
                self.renew_life(job.seq)?;
            }
            Wish::Delete if matches!(place, Place::Running { .. }) => return Ok(Change::Refused(place.state())),
            Wish::Delete => {
                self.leave(&job, &place)?;
                self.stirred.ended.push(job.seq);
                self.forget(&Seqs(vec![job.seq]))?;
            }
        }
        Ok(Change::Changed)
    }

    /// Takes a job that does not run out of its place.
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
            Place::Finished { n, .. } => {
                let seqs = self.one::<Seqs>("SELECT seqs FROM finished WHERE n = ?1", [n])?;
                let rest = seqs.into_iter().flat_map(|seqs| seqs.0).filter(|seq| *seq != job.seq).collect();
                self.keep_finished(*n, &Seqs(rest))?;
                self.tally.remove_done(1);
            }
            Place::Running { .. } | Place::Lost => {}
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
