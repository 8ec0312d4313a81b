//! Jobs that a server runs.

use lessor_providers::https::Method;
use lessor_server::Job;
use serde_json::Value;

use super::Jobs;
use crate::remote::{Call, Client};

impl Jobs for Client {
    async fn runs(&self, job: Option<Job>, limit: u32) -> anyhow::Result<Vec<Value>> {
        self.list(|| Call::get("/v1/jobs").asking("job", job.map(Job::name)), limit).await
    }

    async fn run(&self, job: Job) -> anyhow::Result<Value> {
        self.json(Call::new(Method::POST, "/v1/jobs/{job}/runs").at(job.name())).await
    }
}
