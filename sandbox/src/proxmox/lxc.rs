use super::{
    call::Handler,
    refusal::Result,
    tasks::{Job, Log},
    world::World,
};
pub(super) const HANDLERS: &[(&str, Handler)] = &[];
pub(super) fn run(_: &mut World, _: &Job, _: &mut Log) -> Result<()> {
    Ok(())
}
