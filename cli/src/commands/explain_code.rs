//! `lessor explain E0303`: what a code means.

use std::fmt::Write as _;

use lessor_specs::Page;

use crate::exit::{Exit, Failed};
use crate::output;

/// What stands above the list of all codes, which is `docs/errors/README.md`.
const ABOUT: &str = "\
# Errors

Every error in a spec directory has a code, shown as `error[E0303]`, and so has what stands in the
way of a plan: `cannot be done[E1006]`, `held[E1101]`, or is wrong with the database. The page of a code says what it means, shows
an example, and says what to do; `lessor explain E0303` prints it. A code keeps its meaning: it is
never given to another error.
";

/// Prints the page of one code.
pub(crate) fn one(wanted: u16) -> anyhow::Result<Exit> {
    if let Some(page) = pages().find(|page| number(page) == wanted) {
        output::print(page.text)?;
        return Ok(Exit::Done);
    }
    let failed = Failed::new(format!("there is no code `E{wanted:04}`"));
    let nearest = pages().min_by_key(|page| number(page).abs_diff(wanted));
    let hint = |page: &Page| format!("the nearest is `{}`: {}", page.code, page.title);
    Err(Failed { hint: nearest.map(hint), ..failed }.into())
}

/// Prints every code by section.
pub(crate) fn all() -> anyhow::Result<Exit> {
    let mut text = ABOUT.to_owned();
    let mut section = "";
    for page in pages() {
        if page.section != section {
            section = page.section;
            let _ = write!(text, "\n## {section}\n\n| code | means |\n| --- | --- |\n");
        }
        let _ = writeln!(text, "| [{code}]({code}.md) | {} |", page.title, code = page.code);
    }
    output::print(&text)?;
    Ok(Exit::Done)
}

fn pages() -> impl Iterator<Item = &'static Page> {
    let specs = lessor_specs::Code::ALL.iter().map(|code| code.page());
    let plans = lessor_plans::Code::ALL.iter().map(|code| code.page());
    specs.chain(plans).chain(lessor_store::Code::ALL.iter().map(|code| code.page()))
}

fn number(page: &Page) -> u16 {
    page.code.trim_start_matches('E').parse().unwrap_or_default()
}
