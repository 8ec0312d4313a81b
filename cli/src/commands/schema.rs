//! `lessor schema`: what editors and readers of our JSON need.

use super::{doctor, show, validate};
use crate::args::{Described, SchemaArgs};
use crate::events;
use crate::exit::Exit;
use crate::output;

pub(crate) fn run(args: &SchemaArgs) -> anyhow::Result<Exit> {
    let schema = match args.of {
        Described::Specs => lessor_specs::json_schema(),
        Described::Validate => validate::json_schema(),
        Described::Show => show::json_schema(),
        Described::Plan => lessor_plans::render::json_schema(),
        Described::Explain => lessor_plans::render::explanation::json_schema(),
        Described::Events => events::schema(),
        Described::Doctor => doctor::json_schema(),
    };
    output::print(&(serde_json::to_string_pretty(&schema)? + "\n"))?;
    Ok(Exit::Done)
}
