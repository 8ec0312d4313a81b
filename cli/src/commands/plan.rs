//! `lessor plan`: what would be done.

use std::path::Path;

use lessor_plans::Plan;
use lessor_plans::render::Purpose;
use lessor_plans::saved::Saved;

use crate::args::{Common, PlanArgs};
use crate::exit::{self, Exit};
use crate::output::{self, Files, Streams, say};
use crate::report;
use crate::session::{Asked, Session};

pub(crate) async fn run(
    common: &Common,
    args: &PlanArgs,
    streams: &Streams,
) -> anyhow::Result<Exit> {
    output::distinct(args.showing.files().chain(args.save.as_deref()))?;
    let session = Session::open(&args.dir, common, streams)?;
    let asked = Asked::new(&args.selecting, &args.destroy_data);
    let (session, looked) = session.look_with_orders(&args.ordered, asked).await?;
    let plan = &looked.plan;

    let asked = (&args.selecting, &args.showing);
    let view = report::of_look(&session, &looked, Purpose::Plan, asked);
    let mut files = Files::default();
    args.showing.stage(&mut files, |format| format.of_view(&view, false))?;
    if let Some(path) = &args.save {
        files.stage(path, &saved(plan, &session, path))?;
    }
    files.persist()?;
    output::print(&args.showing.format.of_view(&view, streams.stdout_color))?;
    if let Some(path) = &args.save {
        say(&format!("saved plan {} to `{}`", plan.id().short(), path.display()));
    }
    let differs = args.detailed_exitcode && !plan.is_empty();
    Ok(exit::of_look(plan, differs))
}

fn saved(plan: &Plan, session: &Session, path: &Path) -> String {
    let saved = Saved {
        plan: plan.clone(),
        tree: session.loaded.tree.clone(),
        directory: relative(&session.dir, path.parent().unwrap_or(Path::new(""))),
    };
    saved.to_json()
}

/// The way from one directory to another, where both are relative or both absolute; otherwise the
/// whole path.
fn relative(target: &Path, from: &Path) -> String {
    let absolute = |path: &Path| {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        std::fs::canonicalize(path)
    };
    let (Ok(target_path), Ok(from)) = (absolute(target), absolute(from)) else {
        return target.to_string_lossy().into_owned();
    };
    let shared =
        target_path.components().zip(from.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Path::new("..").as_os_str());
    let down = target_path.components().skip(shared).map(|part| part.as_os_str().to_owned());
    let path: std::path::PathBuf = up.map(ToOwned::to_owned).chain(down).collect();
    if path.as_os_str().is_empty() { ".".into() } else { path.to_string_lossy().into_owned() }
}
