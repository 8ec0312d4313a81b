//! `lessor show`: what is there, or what a saved plan says.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use lessor_engine::World;
use lessor_plans::saved::{Saved, SavedError};
use lessor_plans::{Body, Code, Gap, Naming, Plan, Present, name_for};
use lessor_specs::load::parse;
use lessor_specs::{Address, Kind, Specs};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::args::{Common, ShowArgs};
use crate::exit::{self, Exit, Failed};
use crate::output::{self, ReportFormat, Streams, counted};
use crate::report::{self, now_called};
use crate::session::{Asked, Looked, Session};

pub(crate) async fn run(
    common: &Common,
    args: &ShowArgs,
    streams: &Streams,
) -> anyhow::Result<Exit> {
    if args.source.is_file() {
        return saved(args, streams);
    }
    if !matches!(args.format, ReportFormat::Human | ReportFormat::Json) {
        let failed =
            Failed::new("what is there is listed for people and as JSON").exit(Exit::Usage);
        return Err(failed.hint("`lessor plan` and `lessor drift` have the other forms").into());
    }
    let session = Session::open(&args.source, common, streams)?;
    let looked = session.look_with_orders(&args.ordered, Asked::default());
    let (session, Looked { plan, world, .. }) = looked.await?;

    let inventory = Inventory::of(&session.loaded.specs, &plan, &world);
    output::print(&match args.format {
        ReportFormat::Json => serde_json::to_string_pretty(&inventory)? + "\n",
        _ => inventory.human(),
    })?;
    Ok(exit::of_look(&plan, false))
}

fn saved(args: &ShowArgs, streams: &Streams) -> anyhow::Result<Exit> {
    let Saved { plan, tree, directory } = read_saved(&args.source)?;
    let dir = args.source.parent().unwrap_or(Path::new("")).join(directory);
    // A plan that was made has valid specs, unless another version made it; it can be shown then,
    // and only the places of its entries are not known.
    let loaded = parse(tree).unwrap_or_default();
    let view = report::of_saved(&plan, &loaded, &dir, args.format);
    output::print(&args.format.of_view(&view, streams.stdout_color))?;
    Ok(Exit::Done)
}

/// Reads and verifies a saved plan.
pub(crate) fn read_saved(path: &Path) -> anyhow::Result<Saved> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("could not read `{name}`"))?;
    Saved::from_json(&text).map_err(|error| {
        let hint = match error {
            SavedError::NotAPlan(_) => "`lessor plan -o PLANFILE` saves one",
            SavedError::Version { .. } | SavedError::Changed { .. } => {
                "a plan is never edited; make a new one with `lessor plan -o PLANFILE`"
            }
        };
        let failed = Failed::new(format!("`{name}` is not a plan that can be trusted"));
        anyhow::Error::from(error).context(failed.code(Code::NotAPlan).hint(hint))
    })
}

/// The published JSON Schema of what is there.
pub(crate) fn json_schema() -> Value {
    schemars::schema_for!(Inventory).to_value()
}

/// Everything of ours that is there.
#[derive(Serialize, JsonSchema)]
struct Inventory {
    /// Raised when a reader of an older version would misread something.
    format_version: u32,
    /// Place after place.
    things: Vec<Thing>,
    /// What could not be seen.
    gaps: Vec<Gap>,
}

/// One thing of ours.
#[derive(Serialize, JsonSchema)]
struct Thing {
    /// As what it is declared now, or was when nobody declares it any more.
    address: Address,
    /// The connection it is behind.
    place: Address,
    /// What it is called there.
    name: String,
    /// `in sync`, `differs`, `unwanted` or `unknown`.
    condition: &'static str,
    /// What there is to know about it.
    facts: Vec<String>,
}

impl Inventory {
    fn of(specs: &Specs, plan: &Plan, world: &World) -> Inventory {
        let mut things = Vec::new();
        let now_called = now_called(specs);
        for (place, seen) in world.observations() {
            let thing = |birth: &Address, name, condition, facts| Thing {
                address: now_called.get(birth).unwrap_or(birth).clone(),
                place: place.clone(),
                name,
                condition,
                facts,
            };
            let ours = seen.present.iter().filter(|(birth, _)| birth.kind() != Kind::Image);
            things.extend(ours.map(|(birth, present)| {
                let name = present.body.name().to_owned();
                let adopted = present.adopted.is_some().then(|| "adopted".to_owned());
                let facts = facts(&present.body).into_iter().chain(adopted).collect();
                thing(birth, name, condition(plan, place, present), facts)
            }));
            things.extend(seen.unknown.iter().map(|(birth, why)| {
                let name = name_for(Naming::Docker, birth);
                thing(birth, name, "unknown", vec![format!("could not be seen: {why}")])
            }));
        }
        Inventory { format_version: 1, things, gaps: plan.gaps.clone() }
    }

    fn human(&self) -> String {
        let width = |field: fn(&Thing) -> usize| self.things.iter().map(field).max().unwrap_or(0);
        let address = width(|thing| thing.address.to_string().len());
        let name = width(|thing| thing.name.len());
        let mut text = String::new();
        for thing in &self.things {
            let (own, place) = (thing.address.to_string(), thing.place.name());
            let line = format!(
                "{own:address$}  {place:8}  {:name$}  {:8}  {}",
                thing.name,
                thing.condition,
                thing.facts.join("  ")
            );
            let _ = writeln!(text, "{}", line.trim_end());
        }
        for gap in &self.gaps {
            let _ = writeln!(text, "? {}  could not see {}: {}", gap.place, gap.what, gap.why);
            if let Some(hint) = &gap.hint {
                let _ = writeln!(text, "      hint: {hint}");
            }
        }
        let _ = writeln!(text, "{}", counted(self.things.len(), "thing", "things"));
        text
    }
}

fn condition(plan: &Plan, place: &Address, present: &Present) -> &'static str {
    let same = |body: &Option<Body>| {
        body.as_ref().is_some_and(|body| {
            body.sort() == present.body.sort() && body.name() == present.body.name()
        })
    };
    let change = plan.changes.iter().find(|c| &c.place == place && same(&c.before));
    match change {
        Some(change) if change.after.is_none() => "unwanted",
        Some(_) => "differs",
        None => "in sync",
    }
}

fn facts(body: &Body) -> Vec<String> {
    let mut facts: Vec<String> = Vec::new();
    if let Body::Container(container) = body {
        facts.push(if container.running { "running" } else { "stopped" }.into());
        facts.push(container.image.clone());
        facts.extend(container.cpu.map(|cpu| format!("cpu {cpu}")));
        facts.extend(container.memory.map(|memory| format!("memory {memory}")));
    }
    facts.extend(body.holds().iter().map(ToString::to_string));
    facts
}
