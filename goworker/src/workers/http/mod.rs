//! `http`: makes one request for each job.
//!
//! The job's params are GoWorker's: `{"url": "https://api.example.com/orders", "method": "POST", "headers": {..}, "url_params": {..},
//! "body": {..}}`. What was answered decides: 2xx is done, 408, 425, 429, 5xx and a broken connection are tried again, and other
//! answers fail at once. What may be reached is the word of the configuration: public addresses, and private ones that it names.

mod answer;
mod clients;
mod expect;
mod headers;
mod params;
mod retry_after;
mod secret_url;
#[cfg(test)]
mod tests;
mod veil;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use goworker::egress::{Guard, PrivateAddress};
use goworker::units::Size;
use goworker::{Clock, Context, Job, JobError, Output, Setup, WorkError, WorkResult, Worker, worker};
use reqwest::header::{HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use tokio::time::timeout;

use self::clients::{Clients, Lookup, Ways, not_sent, system_lookup};
use self::headers::{Headers, Kept};
use self::params::{Params, Request};
use self::retry_after::retry_after;
use self::secret_url::SecretUrl;
use self::veil::{Veil, origin};

/// Makes HTTP requests: 2xx is done, 408, 425, 429, 5xx and broken connections are tried again, others fail at once.
#[worker(since = "0.1.0", params = Params)]
pub(crate) struct Http {
    /// Where requests go whose job names no `url`.
    #[config(example = "https://hooks.example.com/jobs")]
    url: Option<SecretUrl>,
    /// Headers of every request, or if `url` is set of those to its server only; those of a job take their place.
    headers: Option<Headers>,
    /// Private addresses that may be reached: networks (`10.0.0.0/8`), addresses, hosts; the last two with a port if only that
    /// one is meant (`localhost:8080`). Public addresses may be, others not, whatever a name resolves to.
    #[config(default, example = ["localhost:8080"])]
    allow_private: Vec<PrivateAddress>,
    /// How many redirects are followed. Each is judged as the first URL was; to another server no headers of the job go along.
    #[config(default = 0, range = 0..=20)]
    redirects: u8,
    /// How much of an answer is kept, decompressed.
    #[config(default = "1MiB")]
    response_limit: Size,
    /// Headers of the answer that are kept, beside `content-type` and `location`.
    #[config(default, example = ["x-request-id"])]
    keep_headers: Vec<Kept>,
    /// A proxy for all requests, which then says what a name leads to; those of the environment are not used.
    #[config(example = "http://proxy.internal:3128")]
    proxy: Option<SecretUrl>,
    /// Authorities (PEM) by which servers' certificates may be, beside those that the system trusts.
    #[config(example = "ca.pem")]
    ca: Option<PathBuf>,
    #[state]
    lookup: Option<Lookup>,
    #[state]
    open: Option<Open>,
}

/// A worker in use.
struct Open {
    clients: Clients,
    clock: Clock,
    defaults: HeaderMap,
    limit: usize,
    kept: Vec<HeaderName>,
}

impl Worker for Http {
    async fn init(&mut self, setup: &Setup) -> anyhow::Result<()> {
        let guard = Guard::new(self.allow_private.clone());
        if let Some(SecretUrl(url)) = &self.url {
            guard.check(url).context("`url`")?;
        }
        let clients = Clients::new(Ways {
            guard,
            lookup: self.lookup.as_ref().map_or_else(system_lookup, Arc::clone),
            proxy: self.proxy.as_ref().map(|SecretUrl(url)| url),
            ca: self.ca.as_deref(),
            redirects: self.redirects,
            concurrency: setup.concurrency,
        })?;
        self.open = Some(Open {
            clients,
            clock: setup.clock.clone(),
            defaults: self.headers.clone().unwrap_or_default().0,
            limit: usize::try_from(self.response_limit.bytes()).unwrap_or(usize::MAX),
            kept: self.keep_headers.iter().map(|Kept(name)| name.clone()).collect(),
        });
        Ok(())
    }

    async fn work(&self, job: &Job, ctx: &Context) -> WorkResult {
        let open = self.open.as_ref().context("the worker is not open: `init` was not called")?;
        let params: Params = job.params::<Option<_>>().map_err(discreet)?.unwrap_or_default();
        let request = params.request(self.url.as_ref().map(|SecretUrl(url)| url), &open.defaults, job, ctx)?;
        let what = format!("{} {}", request.method, origin(&request.url));
        let _under_way = ctx.foreign_work().await;
        let calling = async {
            let call = open.call(request, &params, job, ctx);
            match params.timeout {
                Some(limit) => timeout(limit.get(), call)
                    .await
                    .unwrap_or_else(|_| Err(WorkError::timeout(anyhow!("{what} was not answered within {limit}")))),
                None => call.await,
            }
        };
        tokio::select! {
            result = calling => result,
            () = ctx.cancelled() => Err(WorkError::retry(anyhow!("{what} was stopped before its end"))),
        }
    }
}

impl Open {
    async fn call(&self, request: Request, params: &Params, job: &Job, ctx: &Context) -> WorkResult {
        let response = self.clients.send(&request, |status| params.expect.has(status)).await?;
        if !params.expect.has(response.status()) {
            return Err(self.judge(response, &request).await);
        }
        if job.capture_output == Some(false) {
            return Ok(Output::none());
        }
        let answer = answer::read(response, self.limit, &self.kept).await.map_err(|error| not_sent(error, &request))?;
        if answer.truncated {
            ctx.note(format!("the answer was longer than {}; the rest is not kept", Size(self.limit as u64)));
        }
        Ok(answer.output()?)
    }

    /// What follows from an answer that was not expected.
    async fn judge(&self, response: Response, request: &Request) -> WorkError {
        let status = response.status();
        let mut told = format!("{} {} answered {status}", request.method, origin(&request.url));
        let wait = header(&response, &RETRY_AFTER).and_then(|value| retry_after(value, self.clock.now()));
        if let Some(next) = header(&response, &LOCATION).filter(|_| status.is_redirection()).and_then(|to| request.url.join(to).ok()) {
            told = format!("{told}, a redirect to {}; `redirects` says how many are followed", origin(&next));
        }
        let told = match answer::reason(response).await {
            Some(reason) => anyhow!("{told}: {}", Veil::over(request).cover(&reason)),
            None => anyhow!("{told}"),
        };
        match wait {
            _ if !may_pass(status) => WorkError::fail(told),
            Some(wait) => WorkError::retry_after(told, wait),
            None => WorkError::retry(told),
        }
    }
}

/// Whether the same request may be answered otherwise later.
fn may_pass(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

fn header<'a>(response: &'a Response, name: &HeaderName) -> Option<&'a str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

/// What is wrong with params, without quoting them: a header that is no header holds a secret as well.
fn discreet(error: JobError) -> JobError {
    let quotes = error.message.starts_with("invalid type: string");
    match error.message.rsplit_once(", expected ") {
        Some((_, expected)) if quotes => JobError { message: format!("expected {expected}"), ..error },
        _ => error,
    }
}
