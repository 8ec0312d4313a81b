//! `lessor destroy`: remove everything that a spec directory made.

use std::sync::Arc;

use lessor_engine::Rule;
use lessor_specs::{Specs, Tree};

use super::apply::{Work, watched};
use crate::args::{Common, DestroyArgs};
use crate::events::Events;
use crate::exit::Exit;
use crate::output::Streams;
use crate::session::{Asked, Session};

pub(crate) async fn run(
    common: &Common,
    args: &DestroyArgs,
    streams: &Streams,
) -> anyhow::Result<Exit> {
    watched(&args.applying, async |events| destroy(common, args, streams, events).await).await
}

async fn destroy(
    common: &Common,
    args: &DestroyArgs,
    streams: &Streams,
    events: &Events,
) -> anyhow::Result<Exit> {
    let mut session = Session::open(&args.dir, common, streams)?;
    // Nothing is wanted any more, but for the hosts to remove it from and how long data is kept.
    let Specs { docker, policy, .. } =
        Arc::unwrap_or_clone(std::mem::take(&mut session.loaded.specs));
    session.loaded.specs = Arc::new(Specs { docker, policy, ..Specs::default() });
    session.loaded.tree = Tree::default();

    let mut asked = Asked::default();
    asked.destroy_data.extend(args.applying.destroy_data.iter().cloned());
    // That is what the command says. How much is removed, and what data is lost, is not.
    let granted = [Rule::Empty, Rule::Tenant];
    let (session, applying) = (&session, &args.applying);
    let work = Work { session, applying, streams, events, granted: &granted };
    work.plan_and_apply(asked, Tree::default()).await
}
