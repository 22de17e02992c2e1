//! `http`: jobs from anyone who can send a request.
//!
//! With `into` a request is answered when the queue has accepted its jobs, and whoever wants the result waits for it, or asks later. So
//! the jobs go into the queue here, not through the link: only so can its answer reach the client. Without `into` nothing is stored,
//! and a request is held until its job has run.

mod answer;
mod api;
mod counter;
mod hand;
mod key;
mod prefer;
mod request;
mod stored;
mod url_path;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use goworker::listener::{Address, ListenOptions, Listener, Served};
use goworker::settings::Secret;
use goworker::units::{Dur, Size};
use goworker::{Batch, Demand, Provider, ProviderError, Remark, Settled, Setup, provider};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::api::Api;
use self::counter::Counter;
use self::hand::Hand;
use self::stored::Stored;
use self::url_path::UrlPath;

/// Takes jobs over HTTP: one, an array, or JSON Lines in a `POST`; `GET` and `DELETE` of a job look at it and cancel it.
#[provider(since = "0.1.0")]
pub(crate) struct Http {
    /// The address to listen on. With port 0 the system chooses one, and the log tells which.
    #[config(example = "127.0.0.1:8081")]
    listen: Address,
    /// The path that jobs are sent to; a job itself is at `PATH/ID`.
    #[config(default = "/jobs")]
    path: UrlPath,
    /// What clients have to send as `Authorization: Bearer TOKEN`. An address that other machines can reach needs it.
    token: Option<Secret>,
    /// What a request is answered with, unless it says `Prefer: wait=10`.
    /// The ids of its jobs as soon as they are stored: `accepted`, which it is with `into` if left out.
    /// Its result: `when_done(timeout: "30s")`, which it is without `into`.
    reply: Option<Reply>,
    /// The longest body of a request.
    #[config(default = "1MiB")]
    limit: Size,
    /// How many requests may be under way, those that are held included. Others are told to come again.
    #[config(default = 1000, range = 1..=100_000)]
    max_pending: usize,
    /// How many connections there may be. When there are more, the one gives way whose request has not arrived for longest.
    #[config(default = 1000, range = 1..=100_000)]
    connections: usize,
    /// How long the head of a request may take to arrive, and then its body.
    #[config(default = "10s", range = "100ms"..="10m")]
    patience: Dur,
    #[state]
    open: Option<Open>,
}

/// What a request is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// The ids of its jobs, as soon as they are stored.
    Accepted,
    /// What its job returns.
    WhenDone {
        /// How long to wait for it; then the id is answered.
        #[serde(default = "usual_wait")]
        timeout: Dur,
    },
}

fn usual_wait() -> Dur {
    Dur::secs(30)
}

/// What is there between `init` and `close`.
struct Open {
    served: Served,
    counter: Arc<Counter>,
}

impl Provider for Http {
    async fn init(&mut self, setup: &Setup) -> anyhow::Result<()> {
        let counter = Arc::new(match &setup.target {
            Some(target) => Counter::Stored(Stored::new(target.clone(), setup)),
            None => Counter::Hand(Hand::new(setup)),
        });
        let listener = Listener::bind(ListenOptions {
            limit: self.limit,
            patience: self.patience.get(),
            connections: self.connections,
            ..ListenOptions::new(self.listen, self.token.clone())
        });
        let listener = listener.await?;
        let address = listener.address()?;
        let api = Api::new(setup, &self.path, self.wait(), self.max_pending, Arc::clone(&counter));
        let served = api.serve(listener);
        tracing::info!(provider = setup.name, %address, "takes jobs at http://{address}{}", self.path);
        self.open = Some(Open { served, counter });
        Ok(())
    }

    async fn fetch(&self, demand: &Demand) -> Result<Batch, ProviderError> {
        match &*self.open()?.counter {
            Counter::Stored(_) => Ok(Batch::empty()),
            Counter::Hand(hand) => Ok(hand.hand_out(demand.total())),
        }
    }

    async fn ready(&self, _demand: &Demand) {
        match self.open().map(|open| &*open.counter) {
            Ok(Counter::Hand(hand)) => hand.arrived().await,
            // What is stored is handed out by the queue.
            Ok(Counter::Stored(_)) | Err(_) => pending().await,
        }
    }

    async fn settle(&self, settlements: &[Settled]) -> Result<Vec<usize>, ProviderError> {
        match &*self.open()?.counter {
            Counter::Stored(_) => Ok((0..settlements.len()).collect()),
            Counter::Hand(hand) => Ok(hand.settle(settlements)),
        }
    }

    fn is_finite(&self) -> bool {
        false
    }

    fn remarks(&self, into: Option<&str>) -> Vec<Remark> {
        let is_unkept = into.is_none() && self.reply == Some(Reply::Accepted);
        let error = || Remark::error("reply", "`accepted` means stored, and without `into` nothing is stored");
        let help = "give it `into: \"jobs\"`, the name of a queue, or leave `reply` out: a request is then held until its job has run";
        is_unkept.then(|| error().help(help)).into_iter().collect()
    }

    async fn close(&self) -> anyhow::Result<()> {
        if let Some(open) = &self.open {
            open.served.close().await;
        }
        Ok(())
    }
}

impl Http {
    fn open(&self) -> Result<&Open, ProviderError> {
        self.open.as_ref().ok_or_else(|| ProviderError::failed(anyhow!("the port was not opened")))
    }

    /// How long a request is held that says nothing about it.
    fn wait(&self) -> Option<Duration> {
        match self.reply? {
            Reply::Accepted => None,
            Reply::WhenDone { timeout } => Some(timeout.get()),
        }
    }
}
