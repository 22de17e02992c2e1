//! The workers that come with goworker. They use what every plugin may use, and nothing else.

mod cli;
mod enqueue;
mod file;
mod http;
mod lua;

/// A first run of `job` as the manager would set it up, to be stopped by the token.
#[cfg(test)]
fn context(job: &goworker::Job, cancel: tokio_util::sync::CancellationToken) -> goworker::Context {
    use goworker::{Clock, Context, Ids, ProviderError, Run, Services, Token};

    let refuse = |_, _| -> futures::future::BoxFuture<'static, _> {
        Box::pin(async { Err(ProviderError::Unsupported("there is no queue in this test".into())) })
    };
    let services = Services { worker: job.job_type.clone(), clock: Clock::system(), ids: Ids::system(), enqueue: Box::new(refuse) };
    let run = Run { job: std::sync::Arc::new(job.clone()), attempt: 1, token: Token(7), deadline: None, cancel };
    Context::new(run, std::sync::Arc::new(services))
}
