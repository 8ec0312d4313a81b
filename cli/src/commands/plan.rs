//! `lessor plan`: what would be done.

use std::path::Path;

use anyhow::Context as _;
use lessor_plans::Plan;
use lessor_plans::render::{Purpose, View};
use lessor_plans::saved::Saved;

use crate::args::{Common, PlanArgs};
use crate::exit::{self, Exit};
use crate::output::{self, Streams, say};
use crate::session::{Asked, Looked, Session};

pub(crate) async fn run(
    common: &Common,
    args: &PlanArgs,
    streams: &Streams,
) -> anyhow::Result<Exit> {
    let session = Session::open(&args.dir, common, streams)?;
    let asked = Asked::new(&args.selecting, &args.destroy_data);
    let Looked { plan, .. } = session.look(asked).await?;

    let view = View::of(&plan, Purpose::Plan);
    output::show(&view, args.showing.format, &args.showing.outputs, streams.stdout_color)?;
    if let Some(path) = &args.save {
        save(&plan, &session, path)?;
        say(&format!("saved plan {} to `{}`", plan.id().short(), path.display()));
    }
    let differs = args.detailed_exitcode && !plan.is_empty();
    Ok(exit::of_look(&plan, differs))
}

fn save(plan: &Plan, session: &Session, path: &Path) -> anyhow::Result<()> {
    let saved = Saved {
        plan: plan.clone(),
        tree: session.loaded.tree.clone(),
        directory: relative(&session.dir, path.parent().unwrap_or(Path::new(""))),
    };
    std::fs::write(path, saved.to_json())
        .with_context(|| format!("could not write `{}`", path.display()))
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
