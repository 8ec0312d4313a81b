//! `lessor destroy`: remove everything that a spec directory made.

use std::sync::Arc;

use lessor_engine::{OrdersRead, Rule};
use lessor_specs::{Specs, Tree};

use super::apply::{Work, watched};
use crate::args::{Common, DestroyArgs, OrderSource};
use crate::events::Events;
use crate::exit::Exit;
use crate::output::{Streams, counted, say};
use crate::session::{Asked, Looked, Session};

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
    if let Some(text) = forgotten(&session).await? {
        say(&text);
    }
    // What customers ordered is not the directory's to take down: it is left alone, and said.
    session = session.with_orders(&OrderSource::default()).await?;
    if !session.loaded.specs.ordered.is_empty() {
        session.orders = OrdersRead::NotRead;
    }
    // Nothing is wanted any more, but for the hosts to remove it from and how long data is kept.
    let Specs { docker, policy, .. } =
        Arc::unwrap_or_clone(std::mem::take(&mut session.loaded.specs));
    session.files = Arc::new(Specs { docker, policy, ..Specs::default() });
    session.loaded.specs = session.files.clone();
    session.loaded.tree = Tree::default();

    let mut asked = Asked::default();
    asked.destroy_data.extend(args.applying.destroy_data.iter().cloned());
    // That is what the command says. How much is removed, and what data is lost, is not.
    let granted = [Rule::Empty, Rule::Tenant];
    let (session, applying) = (&session, &args.applying);
    let work = Work { session, applying, streams, events, granted: &granted };
    work.plan_and_apply(asked, Tree::default()).await
}

/// What entries adopt and nobody of us made: it is not removed, but no longer known.
async fn forgotten(session: &Session) -> anyhow::Result<Option<String>> {
    if session.loaded.specs.adopted().next().is_none() {
        return Ok(None);
    }
    let Looked { world, .. } = session.look(Asked::default()).await?;
    let present = world.observations().values().flat_map(|seen| seen.present.values());
    let adopted: Vec<_> = present
        .filter(|present| present.adopted.is_some())
        .map(|present| format!("{} `{}`", present.body.sort(), present.body.name()))
        .collect();
    if adopted.is_empty() {
        return Ok(None);
    }
    let things = counted(adopted.len(), "adopted thing", "adopted things");
    Ok(Some(format!("leaving {things} alone, and forgetting them: {}", adopted.join(", "))))
}
