//! What is paused: a row for each type, and one without a type for the whole queue.

use rusqlite::{Connection, Result};

use crate::queue::Paused;

use super::store::Store;

impl Store {
    pub(super) fn pause(&mut self, job_type: Option<&str>) -> Result<()> {
        self.run("INSERT INTO paused(type) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM paused WHERE type IS ?1)", [job_type])?;
        Ok(())
    }

    pub(super) fn resume(&mut self, job_type: Option<&str>) -> Result<()> {
        self.run("DELETE FROM paused WHERE type IS ?1", [job_type])?;
        match job_type {
            Some(job_type) => self.stirred.add_type(job_type),
            None => self.stirred.add_all_types(),
        }
        Ok(())
    }
}

pub(super) fn paused(conn: &Connection) -> Result<Paused> {
    let mut paused = Paused::default();
    let mut select = conn.prepare_cached("SELECT type FROM paused")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        paused.pause(row.get_ref(0)?.as_str_or_null()?);
    }
    Ok(paused)
}
