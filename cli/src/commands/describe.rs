//! `lessor completions` and `lessor man`: the command line, described from its own definition.

use clap::CommandFactory as _;

use crate::args::{Args, CompletionsArgs};
use crate::exit::Exit;
use crate::output;

pub(crate) fn completions(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "lessor", &mut script);
    output::print(&String::from_utf8(script)?)?;
    Ok(Exit::Done)
}

pub(crate) fn man() -> anyhow::Result<Exit> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Args::command()).render(&mut page)?;
    output::print(&String::from_utf8(page)?)?;
    Ok(Exit::Done)
}
