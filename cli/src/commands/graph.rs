//! `lessor graph`: what needs what, from specs and what is remembered. No host is contacted.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use lessor_engine::{Outline, World, outline};
use lessor_plans::graph::{self, Graph, MERMAID_EDGES};
use lessor_plans::saved::Saved;
use lessor_plans::{Claim, ClaimKey, Code, Plan};
use lessor_specs::Specs;
use lessor_specs::load::{load, parse};

use super::show::read_saved;
use crate::args::{Common, GraphArgs, GraphFormat};
use crate::exit::{Exit, Failed};
use crate::orders;
use crate::output::{self, Streams, say};
use crate::session::{self, Asked, invalid};

pub(crate) async fn run(
    common: &Common,
    args: &GraphArgs,
    streams: &Streams,
) -> anyhow::Result<Exit> {
    let (mut graph, exit) = if args.source.is_file() {
        let Saved { plan, tree, directory } = read_saved(&args.source)?;
        let loaded = parse(tree).map_err(|report| invalid(&report, &args.source, streams))?;
        let dir = args.source.parent().unwrap_or(Path::new("")).join(directory);
        let (claims, read) = session::given_out(&dir, common, &args.ordered, streams).await?;
        let specs =
            orders::lay(&loaded.specs, read.both(), Timestamp::now(), streams.stderr_color)?;
        (marked(&specs, &plan, claims), Exit::Done)
    } else {
        let loaded =
            load(&args.source).map_err(|report| invalid(&report, &args.source, streams))?;
        let (claims, read) =
            session::given_out(&args.source, common, &args.ordered, streams).await?;
        let specs =
            orders::lay(&loaded.specs, read.both(), Timestamp::now(), streams.stderr_color)?;
        let outline = outline(&specs, &claims, &World::default());
        (outline.graph(&specs), told(&outline))
    };
    let selection = Asked::new(&args.selecting, &[]).selection;
    selection.narrow(&mut graph).map_err(|selector| {
        Failed::new(format!("`{selector}` selects nothing"))
            .code(Code::SelectsNothing)
            .hint("name what `lessor plan` lists, or a connection")
    })?;
    if !args.no_fold {
        graph = graph.folded();
    }
    output::print(&match args.format {
        GraphFormat::Dot => graph::dot(&graph),
        GraphFormat::Mermaid => graph::mermaid(&graph),
        GraphFormat::Svg => graph::svg(&graph),
    })?;
    if args.format == GraphFormat::Mermaid && graph.edges() > MERMAID_EDGES {
        let edges = graph.edges();
        say(&format!(
            "the graph has {edges} edges; Mermaid draws {MERMAID_EDGES} unless its `maxEdges` says \
             more"
        ));
    }
    Ok(exit)
}

/// What the specs of a saved plan ask for, with what the plan does about it. Where things are that
/// it leaves alone, only what was remembered before can tell.
fn marked(specs: &Specs, plan: &Plan, mut claims: BTreeMap<ClaimKey, Claim>) -> Graph {
    claims.extend(plan.claims.clone());
    let wanted = plan.changes.iter().filter(|change| change.after.is_some());
    claims.extend(wanted.map(|change| {
        let key = ClaimKey { pool: "docker".into(), holder: change.address.to_string() };
        (key, change.place.name().to_owned())
    }));
    let mut graph = outline(specs, &claims, &World::default()).graph(specs);
    graph.mark(plan);
    graph
}

/// What has no place in the drawing is said beside it.
fn told(outline: &Outline) -> Exit {
    for (address, code, why) in &outline.problems {
        say(&format!("cannot be drawn[{code}]: `{address}`: {why}"));
    }
    if outline.problems.is_empty() { Exit::Done } else { Exit::Error }
}
