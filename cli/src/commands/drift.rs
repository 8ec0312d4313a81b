//! `lessor drift`: what differs from what was declared. Changes nothing.

use lessor_plans::render::{Purpose, View};
use lessor_plans::{NoteKind, Plan, Reason};

use crate::args::{Common, DriftArgs, DriftKind};
use crate::exit::{self, Exit};
use crate::output::{self, Streams};
use crate::session::{Asked, Looked, Session};

pub(crate) async fn run(
    common: &Common,
    args: &DriftArgs,
    streams: &Streams,
) -> anyhow::Result<Exit> {
    let session = Session::open(&args.dir, common, streams)?;
    let Looked { plan, .. } = session.look(Asked::new(&args.selecting, &[])).await?;

    let view = View::of(&plan, Purpose::Drift);
    output::show(&view, args.showing.format, &args.showing.outputs, streams.stdout_color)?;
    Ok(verdict(&plan, &args.fail_on))
}

fn verdict(plan: &Plan, fail_on: &[DriftKind]) -> Exit {
    let differs = found(plan).any(|kind| fail_on.contains(&kind));
    match exit::of_look(plan, differs) {
        Exit::Unseen if !fail_on.contains(&DriftKind::Unreachable) => {
            if differs {
                Exit::Differences
            } else {
                Exit::Done
            }
        }
        exit => exit,
    }
}

/// The sort of each difference.
fn found(plan: &Plan) -> impl Iterator<Item = DriftKind> {
    let changes = plan.changes.iter().map(|change| match change.reason {
        Reason::Drifted(_) => DriftKind::Changed,
        Reason::Missing => DriftKind::Missing,
        Reason::Wanted
        | Reason::Changed(_)
        | Reason::Follows(_)
        | Reason::Unwanted
        | Reason::Renamed(_)
        | Reason::Due(_)
        | Reason::DataGivenUp => DriftKind::Pending,
    });
    let keeps = plan.keeps.iter().map(|_| DriftKind::Pending);
    let strays = plan.notes.iter().filter(|note| note.kind == NoteKind::Unmanaged);
    changes.chain(keeps).chain(strays.map(|_| DriftKind::Unmanaged))
}
