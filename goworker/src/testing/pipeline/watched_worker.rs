//! A worker with which things go wrong, as told; and one that a test puts in a real one's place.

use std::sync::Arc;

use super::fault::Mishap;
use super::scene::Scene;
use crate::job::Job;
use crate::outcome::{WorkError, WorkResult};
use crate::plugin::AnyWorker;
use crate::provider::Setup;
use crate::worker::{Context, Worker};

/// What a test does in a worker's place.
pub(super) type Work = Arc<dyn Fn(&Job, &Context) -> WorkResult + Send + Sync>;

/// Stands in for a worker.
pub(super) struct StandIn(pub(super) Work);

impl Worker for StandIn {
    async fn work(&self, job: &Job, ctx: &Context) -> WorkResult {
        (self.0)(job, ctx)
    }
}

/// A worker, and the faults that happen to it.
pub(super) struct WatchedWorker {
    pub(super) worker: AnyWorker,
    pub(super) scene: Arc<Scene>,
}

impl Worker for WatchedWorker {
    async fn init(&mut self, setup: &Setup) -> anyhow::Result<()> {
        self.worker.0.init_boxed(setup).await
    }

    async fn work(&self, job: &Job, ctx: &Context) -> WorkResult {
        match self.scene.faults.hit(job) {
            Some(mishap) => self.go_wrong(mishap, job, ctx).await,
            None => self.worker.0.work_boxed(job, ctx).await,
        }
    }

    async fn close(&self) -> anyhow::Result<()> {
        self.worker.0.close_boxed().await
    }
}

impl WatchedWorker {
    async fn go_wrong(&self, mishap: Mishap, job: &Job, ctx: &Context) -> WorkResult {
        match mishap {
            Mishap::Fail => Err(WorkError::retry(anyhow::anyhow!("failed, as told"))),
            Mishap::FailForGood => Err(WorkError::fail(anyhow::anyhow!("failed for good, as told"))),
            Mishap::Panic => panic!("as told"),
            Mishap::TimeOut if ctx.deadline().is_none() => {
                Err(WorkError::fail(anyhow::anyhow!("the fault `time out` needs a `timeout` of the job or its worker")))
            }
            Mishap::TimeOut => stopped(ctx).await,
            Mishap::LoseLease => {
                self.scene.lose(ctx.token(), &job.id);
                stopped(ctx).await
            }
            Mishap::Crash => {
                // Not amid the work of another, whose end would be a matter of luck.
                drop(ctx.foreign_work().await);
                self.scene.crash.notify_one();
                std::future::pending().await
            }
        }
    }
}

/// What a worker answers that goes on until it is told to stop.
async fn stopped(ctx: &Context) -> WorkResult {
    ctx.cancelled().await;
    Err(WorkError::retry(anyhow::anyhow!("stopped")))
}
