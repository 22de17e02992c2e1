//! Calls that are dropped on their way.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// Drops the call after so many polls, unless it has an answer by then.
pub(crate) async fn cut_off<F: Future>(call: F, polls: Option<u8>) -> Option<F::Output> {
    let mut call = pin!(call);
    let mut left = polls;
    poll_fn(move |context| match (call.as_mut().poll(context), &mut left) {
        (Poll::Ready(answer), _) => Poll::Ready(Some(answer)),
        (Poll::Pending, None) => Poll::Pending,
        (Poll::Pending, Some(left)) => {
            *left = left.saturating_sub(1);
            if *left == 0 { Poll::Ready(None) } else { Poll::Pending }
        }
    })
    .await
}
