//! A context without a manager.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::job::{Ids, Job};
use crate::provider::{ProviderError, Token};
use crate::worker::{Context, Run, Services};

/// A context as a worker has it in the first attempt of a job, to call it from a unit test:
///
/// ```
/// use goworker::{Context, testing, worker};
///
/// /// Counts its attempts.
/// #[worker]
/// fn count(ctx: &Context) -> u32 {
///     ctx.attempt()
/// }
///
/// assert_eq!(count(&testing::context()), 1);
/// ```
///
/// [`Context::cancellation`] cancels it. There is no queue: what enqueues jobs is tested in a
/// [`Pipeline`](crate::testing::Pipeline).
pub fn context() -> Context {
    let ids = Ids::system();
    let job = Arc::new(Job::new(ids.next(), "test"));
    let run = Run { job, attempt: 1, token: Token(1), deadline: None, cancel: CancellationToken::new() };
    let refuse = |_, _| -> BoxFuture<'static, _> {
        Box::pin(async {
            Err(ProviderError::Unsupported("a context without a manager has no queue; test this in a `Pipeline`".to_owned()))
        })
    };
    let services = Services { worker: "test".to_owned(), clock: Clock::system(), ids, enqueue: Box::new(refuse) };
    Context::new(run, Arc::new(services))
}
