use super::{
    call::Handler,
    refusal::Result,
    tasks::{Job, Log},
    world::World,
};
use serde::{Deserialize, Serialize};
pub(super) const HANDLERS: &[(&str, Handler)] = &[];
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Network {}
impl Network {
    pub(super) fn installed(_: &str) -> Self {
        Network {}
    }
}
pub(super) fn run_reload(_: &mut World, _: &Job, _: &mut Log) -> Result<()> {
    Ok(())
}
