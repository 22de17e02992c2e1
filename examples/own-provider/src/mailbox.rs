//! A provider: a source of jobs, and what it has to promise.

use std::collections::BTreeSet;
use std::sync::Arc;

use goworker::units::Dur;
use goworker::{Batch, Delivery, Demand, Ids, Job, Provider, ProviderError, Settled, Settlement, provider};
use tokio::sync::Mutex;

use crate::connection::Connection;

/// Makes a job of each mail in a mailbox, and deletes the mail when its job is settled.
#[provider]
#[derive(Debug)]
pub(crate) struct Mailbox {
    /// The server, `host:port`.
    server: String,
    /// Which worker gets the mails.
    job_type: String,
    /// How often to look for new mail.
    #[config(default = "1s")]
    every: Dur,
    #[state]
    session: Mutex<Session>,
}

#[derive(Debug, Default)]
struct Session {
    connection: Option<Connection>,
    /// Mails that were handed out and are not settled.
    held: BTreeSet<u64>,
}

impl Provider for Mailbox {
    async fn fetch(&self, demand: &Demand) -> Result<Batch, ProviderError> {
        let mut session = self.session.lock().await;
        let mut batch = Batch::empty();
        for line in self.ask(&mut session, "LIST").await? {
            let mail: u64 = line.parse().map_err(ProviderError::failed)?;
            if batch.deliveries.len() < demand.of(&self.job_type) && !session.held.contains(&mail) {
                let text = self.ask(&mut session, &format!("FETCH {mail}")).await?.join("\n");
                // The id is the same whenever the mail comes again, so a queue that has the job already creates nothing.
                let job = Job::of(&self.job_type).id(format!("mail-{mail}")).params(text);
                let job = job.build(&Ids::system()).map_err(ProviderError::failed)?;
                batch.deliveries.push(Delivery::first(Arc::new(job), mail));
            }
        }
        session.held.extend(batch.deliveries.iter().map(|delivery| delivery.handle));
        Ok(batch)
    }

    /// After an empty batch: returns when it is worth while to fetch again.
    async fn ready(&self, _: &Demand) {
        tokio::time::sleep(self.every.get()).await;
    }

    /// Only here may a mail go. After an error the same settlements come again, which the server has to bear: it
    /// answers `OK` when a mail is gone already.
    async fn settle(&self, settlements: &[Settled]) -> Result<Vec<usize>, ProviderError> {
        let mut session = self.session.lock().await;
        for Settled { handle: mail, settlement, .. } in settlements {
            match settlement {
                Settlement::Done { .. } | Settlement::Cancelled => self.ask(&mut session, &format!("DELETE {mail}")).await?,
                Settlement::Dead { .. } => self.ask(&mut session, &format!("MOVE {mail} failed")).await?,
                // It stays where it is, and comes again.
                Settlement::Retry { .. } | Settlement::Release => Vec::new(),
            };
            session.held.remove(mail);
        }
        Ok(Vec::new())
    }
}

impl Mailbox {
    /// Asks the server. `unavailable` makes the manager call again, with a growing delay, for ever; that call connects anew.
    async fn ask(&self, session: &mut Session, command: &str) -> Result<Vec<String>, ProviderError> {
        // Taken out, so that a call that fails or is given up leaves no half-read connection behind.
        let mut connection = match session.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.server).await.map_err(ProviderError::unavailable)?,
        };
        let answer = connection.ask(command).await.map_err(ProviderError::unavailable)?;
        session.connection = Some(connection);
        Ok(answer)
    }
}
