//! Running a script in a container.

use std::sync::Arc;

use async_trait::async_trait;
use lessor_engine::Watched;
use lessor_engine::access::AccessError;

use super::line::Line;
use crate::Docker;
use crate::command::{Command, Heard};

/// A machine that is a container of ours.
pub(super) struct InContainer {
    docker: Arc<Docker>,
    thing: Watched,
}

impl InContainer {
    pub(super) fn new(docker: Arc<Docker>, thing: Watched) -> Self {
        InContainer { docker, thing }
    }
}

#[async_trait]
impl Line for InContainer {
    async fn run(&self, command: &Command<'_>) -> Result<Heard, AccessError> {
        self.docker.exec(&self.thing, command).await
    }
}
