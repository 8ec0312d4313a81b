//! `lessor drift`: what differs from what was declared. Changes nothing.

use lessor_engine::Scope;
use lessor_plans::render::Purpose;
use lessor_plans::{Note, NoteKind, Plan, Reason};

use crate::args::{Common, DriftArgs, DriftKind};
use crate::exit::{self, Exit};
use crate::output::{self, Files, Streams};
use crate::report;
use crate::session::{Asked, Session};

pub(crate) async fn run(
    common: &Common,
    args: &DriftArgs,
    streams: &Streams,
) -> anyhow::Result<Exit> {
    output::distinct(args.showing.files())?;
    let session = Session::open(&args.dir, common, streams)?;
    let mut asked = Asked::new(&args.selecting, &[]);
    asked.selection.scope = Scope::Settled;
    let (session, looked) = session.look_with_orders(&args.ordered, asked).await?;

    let asked = (&args.selecting, &args.showing);
    let view = report::of_look(&session, &looked, Purpose::Drift, asked);
    let mut files = Files::default();
    args.showing.stage(&mut files, |format| format.of_view(&view, false))?;
    files.persist()?;
    output::print(&args.showing.format.of_view(&view, streams.stdout_color))?;
    Ok(verdict(&looked.plan, &args.fail_on))
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
        | Reason::Adopted(_)
        | Reason::Follows(_)
        | Reason::Unwanted
        | Reason::Renamed(_)
        | Reason::Due(_)
        | Reason::DataGivenUp
        | Reason::Cleaned
        | Reason::Ended { .. }
        | Reason::Released { .. } => DriftKind::Pending,
    });
    let catalogue = plan.catalogue.iter().map(|_| DriftKind::Pending);
    let keeps = plan.keeps.iter().map(|_| DriftKind::Pending);
    // An order that cannot be carried out as it is waits with a code.
    let stuck = |note: &&Note| note.kind == NoteKind::Waiting && note.code.is_some();
    let stuck = plan.notes.iter().filter(stuck).map(|_| DriftKind::Pending);
    let strays = plan.notes.iter().filter(|note| note.kind == NoteKind::Unmanaged);
    changes.chain(catalogue).chain(keeps).chain(stuck).chain(strays.map(|_| DriftKind::Unmanaged))
}
