//! `lessor explain`: why a thing is as it is.

use std::fmt::Write as _;

use lessor_plans::render::{Purpose, View, human};
use lessor_plans::{Observation, Plan, Present};
use lessor_specs::{Address, Kind};

use crate::args::{Common, ExplainArgs, Subject};
use crate::commands::explain_code;
use crate::exit::{self, Exit, Failed};
use crate::output::{self, Streams, within};
use crate::session::{Asked, Looked, Session};

pub(crate) async fn run(
    common: &Common,
    args: &ExplainArgs,
    streams: &Streams,
) -> anyhow::Result<Exit> {
    let address = match &args.subject {
        Subject::Thing(address) => address,
        Subject::Code(number) => return explain_code::one(*number),
        Subject::Codes => return explain_code::all(),
    };
    let session = Session::open(&args.dir, common, streams)?;
    let Looked { plan, world } = session.look(Asked::default()).await?;

    let mut text = format!("{address}\n");
    let declared = declared(&session, address);
    let mut births = session.loaded.specs.moved(address);
    births.insert(0, address.clone());
    let here =
        |seen: &Observation| births.iter().find_map(|birth| seen.present.get(birth).cloned());
    let present: Vec<(&Address, Present)> = world
        .observations()
        .iter()
        .filter_map(|(place, seen)| Some((place, here(seen)?)))
        .collect();
    let changed = plan.changes.iter().any(|change| &change.address == address);
    if declared.is_none() && present.is_empty() && !changed && plan.gaps.is_empty() {
        let message = format!("`{address}` is neither declared nor there");
        return Err(Failed::new(message).hint("`lessor show` lists what is there").into());
    }
    let _ = writeln!(text, "  declared   {}", declared.as_deref().unwrap_or("no longer"));
    for (place, present) in present {
        let name = present.body.name();
        let _ = write!(text, "  present    {place}, as {} `{name}`", present.body.sort());
        let was = (present.birth != *address).then(|| format!(", made as {}", present.birth));
        let _ = writeln!(text, "{}", was.unwrap_or_default());
        let uses: Vec<_> =
            present.body.uses().map(|(sort, name)| format!("{sort} `{name}`")).collect();
        if !uses.is_empty() {
            let _ = writeln!(text, "  uses       {}", uses.join(", "));
        }
    }
    for gap in &plan.gaps {
        let _ = writeln!(text, "  unknown    {} could not be seen: {}", gap.place, gap.why);
    }
    if let Some(applied) = session.last_applied(address).await? {
        let _ = writeln!(text, "  applied    {} by run {}", applied.at, applied.apply);
    }
    let _ = write!(text, "  plan       {}", planned(&plan, address, streams.stdout_color));
    output::print(&text)?;
    Ok(exit::of_look(&plan, false))
}

/// Where it is declared; for what an instance brings along, where that is.
fn declared(session: &Session, address: &Address) -> Option<String> {
    let place = |address: &Address| {
        let (file, line, column) = session.loaded.declared_at(address)?;
        Some(format!("{}:{line}:{column}", within(&session.dir, file).display()))
    };
    place(address).or_else(|| {
        let (kind, name) = match address.kind() {
            Kind::Image => return image_user(session, address),
            Kind::Volume => (Kind::Instance, address.name()),
            Kind::Bridge => (Kind::Bridge, address.name().split_once('/')?.0),
            _ => return None,
        };
        let owner = Address::new(kind, name);
        Some(format!("by {owner}, {}", place(&owner)?))
    })
}

/// The first entry that runs an image: an image is there because something runs it.
fn image_user(session: &Session, image: &Address) -> Option<String> {
    let specs = &session.loaded.specs;
    let (docker, reference) = image.name().split_once('/')?;
    let containers = specs.container.iter().filter(|(_, container)| {
        container.image == reference && specs.docker_of(container.docker.as_deref()) == Some(docker)
    });
    let containers = containers.map(|(name, _)| Address::new(Kind::Container, &**name));
    let images = specs.image.iter().filter(|(_, image)| {
        image.container.as_ref().is_some_and(|image| image.reference == reference)
    });
    let images = images.map(|(name, _)| Address::new(Kind::Image, &**name));
    let user = containers.chain(images).next()?;
    let (file, line, column) = session.loaded.declared_at(&user)?;
    Some(format!("by {user}, {}:{line}:{column}", within(&session.dir, file).display()))
}

/// What the plan would do to it.
fn planned(plan: &Plan, address: &Address, color: bool) -> String {
    let mut view = View::of(plan, Purpose::Plan);
    view.lines.retain(|line| line.about == address.to_string());
    view.gaps.clear();
    if view.lines.is_empty() {
        let blind = !plan.gaps.is_empty();
        return if blind { "nothing, while it cannot be seen\n" } else { "nothing to do\n" }.into();
    }
    let text = human(&view, color);
    let lines: Vec<_> = text.lines().collect();
    // The summary is about everything else, too.
    let own = &lines[..lines.len().saturating_sub(1)];
    own.join("\n             ") + "\n"
}
