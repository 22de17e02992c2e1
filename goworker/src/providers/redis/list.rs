//! Listing: ids are gathered place by place and page by page, so that the server is never held up, and only the jobs that are shown are read.

use std::collections::BTreeMap;

use std::sync::Arc;

use goworker::{Filter, Ids, JobRecord, ProviderError, State};

use super::calls::Calls;
use super::{decode, script};

/// How many jobs one call looks at.
const PAGE: usize = 1_000;

/// The jobs that a filter selects, the newest first.
pub(super) async fn list(calls: &Arc<Calls>, filter: &Filter, ids: &Ids) -> Result<Vec<JobRecord>, ProviderError> {
    let limit = filter.limit.unwrap_or(usize::MAX);
    let wanted = |state: State| filter.states.is_empty() || filter.states.contains(&state);
    // By the ticket that the job got when it was accepted.
    let mut found = BTreeMap::new();
    for (place, state) in [("scheduled", State::Scheduled), ("dead", State::Dead), ("running", State::Running)] {
        if wanted(state) {
            gather(calls, filter, place, "", usize::MAX, &mut found).await?;
        }
    }
    if [State::Done, State::Cancelled, State::Expired].into_iter().any(wanted) {
        gather(calls, filter, "ended", "", usize::MAX, &mut found).await?;
    }
    if wanted(State::Ready) || wanted(State::Scheduled) {
        gather(calls, filter, "moving", "", usize::MAX, &mut found).await?;
    }
    if wanted(State::Ready) {
        for job_type in types(calls).await? {
            if filter.job_type.as_ref().is_none_or(|only| *only == job_type) {
                gather(calls, filter, "ready", &job_type, usize::MAX, &mut found).await?;
                // The newest of a list are at its end: no more of it are needed than are shown.
                gather(calls, filter, "list", &job_type, limit, &mut found).await?;
            }
        }
    }
    let mut records = Vec::new();
    let newest: Vec<String> = found.into_values().rev().collect();
    for page in newest.chunks(PAGE) {
        let rest = limit - records.len();
        if rest == 0 {
            break;
        }
        // A job may have come to another place meanwhile.
        let selected = self::records(calls, page, false, ids).await?.into_iter().filter(|record| wanted(record.state));
        records.extend(selected.take(rest));
    }
    Ok(records)
}

async fn types(calls: &Arc<Calls>) -> Result<Vec<String>, ProviderError> {
    let mut cmd = redis::cmd("HKEYS");
    cmd.arg(calls.key("types"));
    calls.ask(cmd).await
}

async fn gather(
    calls: &Arc<Calls>,
    filter: &Filter,
    place: &str,
    job_type: &str,
    most: usize,
    found: &mut BTreeMap<u64, String>,
) -> Result<(), ProviderError> {
    let only = if job_type.is_empty() { filter.job_type.as_deref().unwrap_or_default() } else { job_type };
    let (mut from, mut gathered) = (0, 0);
    while from >= 0 && gathered < most {
        let mut call = calls.read(&script::CANDIDATES);
        call.cmd.arg(place).arg(only).arg(from).arg(PAGE.min(most));
        let (following, page): (i64, Vec<String>) = call.answer().await?;
        from = following;
        gathered += page.len();
        for line in page {
            if let Some((ticket, id)) = line.split_once(' ')
                && let Ok(ticket) = ticket.parse()
            {
                found.insert(ticket, id.to_owned());
            }
        }
    }
    Ok(())
}

/// The jobs with these ids that are there, in this order.
pub(super) async fn records(calls: &Arc<Calls>, of: &[String], with_attempts: bool, ids: &Ids) -> Result<Vec<JobRecord>, ProviderError> {
    let mut call = calls.read(&script::RECORDS);
    call.cmd.arg(u8::from(with_attempts)).arg(of);
    let known: Vec<decode::Known> = call.answer().await?;
    known.into_iter().map(|known| decode::record(known, with_attempts, ids).map_err(ProviderError::Failed)).collect()
}
