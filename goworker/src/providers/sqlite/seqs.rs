//! Lists of jobs as the tables hold them: a JSON array, so that standard tools can read it too.

use rusqlite::Result;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// The jobs of a batch, or those that ended together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seqs(pub(super) Vec<i64>);

impl Seqs {
    /// The smallest and the largest; `(0, -1)` contains nothing.
    pub(super) fn span(&self) -> (i64, i64) {
        let lowest = self.0.iter().min().copied().unwrap_or(0);
        let highest = self.0.iter().max().copied().unwrap_or(-1);
        (lowest, highest)
    }
}

impl FromSql for Seqs {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?).map(Seqs).map_err(FromSqlError::other)
    }
}

impl ToSql for Seqs {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        serde_json::to_string(&self.0).map(ToSqlOutput::from).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))
    }
}
