//! Steps: what is to be settled and what is wanted at the same moment go to the server as one call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use goworker::{Demand, ProviderError, Rate, Settled, Setup};
use redis::{Arg, Cmd};
use tokio::sync::oneshot;

use super::calls::{Call, Calls};
use super::decode::Handed;
use super::{encode, script};

/// Makes the steps of this process.
#[derive(Debug)]
pub(super) struct Steps {
    calls: Arc<Calls>,
    owner: String,
    lease: Duration,
    rate: Option<Rate>,
    /// There while a fetch is about to go: what goes with it.
    boarding: Mutex<Option<Option<Passenger>>>,
}

/// Settlements that go with a fetch.
#[derive(Debug)]
struct Passenger {
    texts: Cmd,
    told: oneshot::Sender<Result<Vec<usize>, ProviderError>>,
}

/// What the server answers: which settlements are refused, and what is handed out.
type Stepped = (Vec<usize>, Handed);

impl Steps {
    pub(super) fn new(calls: Arc<Calls>, owner: String, setup: &Setup) -> Self {
        Steps { calls, owner, lease: setup.lease, rate: setup.rate, boarding: Mutex::default() }
    }

    pub(super) async fn fetch(&self, demand: &Demand) -> Result<Handed, ProviderError> {
        let passenger = {
            let departure = Departure::of(self);
            // Who settles in the same moment, a manager that has seen jobs end, calls before this goes on.
            tokio::task::yield_now().await;
            departure.go()
        };
        let Some(Passenger { texts, told }) = passenger else {
            return self.step(&Cmd::new(), Some(demand)).answer::<Stepped>().await.map(|(_, handed)| handed);
        };
        let call = self.step(&texts, Some(demand));
        // A task, because the settlements are not to depend on whether someone waits for the jobs.
        let both = tokio::spawn(async move {
            let (refused, handed) = match call.answer::<Stepped>().await {
                Ok((refused, handed)) => (Ok(refused), Ok(handed)),
                Err(error) => (Err(again(&error)), Err(error)),
            };
            // Who settled may be gone.
            drop(told.send(refused));
            handed
        });
        both.await.map_err(ProviderError::failed)?
    }

    /// Answers the positions of those that are refused.
    pub(super) async fn settle(&self, settlements: &[Settled]) -> Result<Vec<usize>, ProviderError> {
        loop {
            let mut texts = Cmd::new();
            let order = encode::push_settlements(&mut texts, settlements);
            let refused = match self.board(texts) {
                Ok(told) => match told.await {
                    Ok(refused) => refused?,
                    // The fetch was dropped before it went.
                    Err(_) => continue,
                },
                Err(texts) => self.step(&texts, None).answer::<Stepped>().await?.0,
            };
            return Ok(refused.into_iter().filter_map(|nth| order.get(nth).copied()).collect());
        }
    }

    /// Hands settlements to a fetch that is about to go, or back if there is none.
    fn board(&self, texts: Cmd) -> Result<oneshot::Receiver<Result<Vec<usize>, ProviderError>>, Cmd> {
        match &mut *self.boarding() {
            Some(seat @ None) => {
                let (told, answer) = oneshot::channel();
                *seat = Some(Passenger { texts, told });
                Ok(answer)
            }
            _ => Err(texts),
        }
    }

    fn step(&self, settlements: &Cmd, demand: Option<&Demand>) -> Call {
        let mut call = self.calls.write(&script::STEP);
        call.cmd.arg(settlements.args_iter().len());
        for text in settlements.args_iter() {
            if let Arg::Simple(text) = text {
                call.cmd.arg(text);
            }
        }
        if let Some(demand) = demand {
            call.cmd.arg(encode::millis(self.lease)).arg(&self.owner);
            encode::push_rate(&mut call.cmd, self.rate);
            encode::push_demand(&mut call.cmd, demand);
        }
        call
    }

    fn boarding(&self) -> MutexGuard<'_, Option<Option<Passenger>>> {
        self.boarding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fetch that is about to go. Dropped before that, it leaves nobody behind to be waited for.
struct Departure<'a>(&'a Steps);

impl<'a> Departure<'a> {
    fn of(steps: &'a Steps) -> Self {
        steps.boarding().get_or_insert_default();
        Departure(steps)
    }

    /// Who goes with it.
    fn go(self) -> Option<Passenger> {
        self.0.boarding().take().flatten()
    }
}

impl Drop for Departure<'_> {
    fn drop(&mut self) {
        drop(self.0.boarding().take());
    }
}

/// The same error for another one who waits.
fn again(error: &ProviderError) -> ProviderError {
    match error {
        ProviderError::Unavailable(_) => ProviderError::unavailable(anyhow!("{error}")),
        _ => ProviderError::failed(anyhow!("{error}")),
    }
}
