//! `lessor adopt`: write the entries of what is on a host already.
//!
//! In reading order: which things get an entry ([`choose`]), what the entry says ([`entry`]), and
//! what is written and taken back when it was to no avail ([`files`]).

mod choose;
mod entry;
mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use lessor_plans::render::{Purpose, View, human};
use lessor_plans::{NoteKind, Plan};
use lessor_providers::Found;
use lessor_specs::load::load;
use lessor_specs::{Address, Kind, Tree};

use self::choose::{Chooser, Chosen};
use self::entry::{Writer, cleaned};
use self::files::Written;
use super::init;
use crate::args::{AdoptArgs, Common};
use crate::config;
use crate::exit::{Exit, Failed};
use crate::output::{self, Streams, counted, say, within};
use crate::session::{Asked, Looked, Session, invalid};

/// What a connection is called where none is declared.
const LOCAL: &str = "local";

pub(crate) async fn run(
    common: &Common,
    args: &AdoptArgs,
    streams: &Streams,
) -> anyhow::Result<Exit> {
    let (dir, names) = args.dir_and_names();
    asked_for_something(args.all, &names)?;
    let output = output_file(&dir, &args.output)?;
    // Everything that was written is taken back unless it comes to a good end.
    let mut written = Written::default();
    if !within(&dir, config::FILE).exists() {
        written.note(init::write(&dir, false)?);
    }
    let mut tree = load(&dir).map_err(|report| invalid(&report, &dir, streams))?.tree;
    let mut writer = Writer::new(&dir, &output);
    if !declares_a_host(&tree) {
        writer.declare_host(LOCAL);
        tree = with_file(&tree, &output, writer.text());
    }
    let session = Session::of_saved(&dir, tree.clone(), common, streams)?;
    let docker = which_host(&session, args.docker.as_deref())?;
    let looked = session.look(Asked::default()).await?;
    seen_in_full(&looked.plan, &docker)?;
    let found = session.survey(&docker).await?;

    let chooser = Chooser::new(&session, &looked.world, &docker, &found);
    let chosen =
        if args.all { chooser.all() } else { chooser.named(&names, args.perhaps_dir())? };
    for (thing, why) in &chosen.skipped {
        say(&format!("left alone: {thing}: {why}"));
    }
    if chosen.things.is_empty() {
        let message = format!("nothing on `docker.{docker}` is left to adopt");
        return Err(Failed::new(message).hint("nothing was written").into());
    }
    let several = session.loaded.specs.docker.len() > 1;
    for thing in &chosen.things {
        writer.entry(thing, &chosen, several.then_some(&*docker));
    }
    for (path, value) in writer.secrets() {
        written.secret(&dir, path, value)?;
    }
    let tree = with_file(&tree, &output, writer.text());
    let session = Session::of_saved(&dir, tree, common, streams)?;
    let looked = session.look(Asked::default()).await?;
    proven(&looked, &chosen, &docker, streams)?;
    written.persist(&dir.join(&output), writer.text())?;
    written.keep();
    report(&chosen, &writer, &within(&dir, &output), &docker)?;
    Ok(Exit::Done)
}

impl AdoptArgs {
    /// The word that stands where the directory does, and is none.
    fn perhaps_dir(&self) -> Option<&str> {
        self.dir.as_deref().filter(|word| !Path::new(word).is_dir())
    }

    /// The first word is the directory, if there is one of that name.
    fn dir_and_names(&self) -> (PathBuf, Vec<String>) {
        let mut names = self.names.clone();
        match &self.dir {
            Some(word) if Path::new(word).is_dir() => (word.into(), names),
            Some(word) => {
                names.insert(0, word.clone());
                (".".into(), names)
            }
            None => (".".into(), names),
        }
    }
}

fn asked_for_something(all: bool, names: &[String]) -> anyhow::Result<()> {
    let failed = match (all, names) {
        (true, []) | (false, [_, ..]) => return Ok(()),
        (false, []) => Failed::new("nothing is named that should be adopted")
            .hint("name containers, networks or volumes as `docker` does, or say `--all`"),
        (true, [name, ..]) => {
            Failed::new(format!("`{name}` is named beside `--all`, and is no directory"))
                .hint("leave out one of them, or make the directory first")
        }
    };
    Err(failed.exit(Exit::Usage).into())
}

/// The file, from the spec directory: one that the loader would read, and that is not there yet.
fn output_file(dir: &Path, output: &Path) -> anyhow::Result<String> {
    let parts: Option<Vec<_>> = output
        .components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| match part {
            Component::Normal(part) => part.to_str().filter(|part| !part.starts_with('.')),
            _ => None,
        })
        .collect();
    let name = parts.map(|parts| parts.join("/")).unwrap_or_default();
    if name == config::FILE || Path::new(&name).extension().is_none_or(|end| end != "toml") {
        let message = format!("`{}` is no spec file of `{}`", output.display(), dir.display());
        let hint = "it stands in the spec directory, ends in `.toml` and is not hidden";
        return Err(Failed::new(message).exit(Exit::Usage).hint(hint).into());
    }
    if dir.join(&name).exists() {
        let message = format!("`{}` is there already", within(dir, &name).display());
        let hint = "it is never written over: name another with `--output FILE`";
        return Err(Failed::new(message).hint(hint).into());
    }
    Ok(name)
}

fn declares_a_host(tree: &Tree) -> bool {
    let parsed = lessor_specs::load::parse(tree.clone());
    parsed.is_ok_and(|loaded| !loaded.specs.docker.is_empty())
}

fn with_file(tree: &Tree, name: &str, text: &str) -> Tree {
    let mut files = tree.files().clone();
    files.insert(name.to_owned(), text.to_owned());
    Tree::new(files)
}

fn which_host(session: &Session, named: Option<&str>) -> anyhow::Result<String> {
    let specs = &session.loaded.specs;
    let named = named.map(|name| name.strip_prefix("docker.").unwrap_or(name));
    if let Some(docker) = specs.docker_of(named) {
        return Ok(docker.to_owned());
    }
    let declared: Vec<_> = specs.docker.keys().map(|name| format!("`{name}`")).collect();
    let message = match named {
        Some(name) => format!("there is no `docker.{name}`"),
        None => "there is more than one `docker` connection".to_owned(),
    };
    let hint = format!("name one with `--docker`: {}", declared.join(", "));
    Err(Failed::new(message).exit(Exit::Usage).hint(hint).into())
}

/// What cannot be seen may be anything.
fn seen_in_full(plan: &Plan, docker: &str) -> anyhow::Result<()> {
    let Some(gap) = plan.gaps.iter().find(|gap| gap.place.name() == docker) else { return Ok(()) };
    let failed = Failed::new(format!("could not see {} on `{}`: {}", gap.what, gap.place, gap.why));
    let failed = match &gap.hint {
        Some(hint) => failed.hint(hint),
        None => failed,
    };
    Err(failed.exit(Exit::Unseen).into())
}

/// Whether the entries change nothing. Whatever else is planned in the directory does not count.
fn proven(
    looked: &Looked,
    chosen: &Chosen<'_>,
    docker: &str,
    streams: &Streams,
) -> anyhow::Result<()> {
    seen_in_full(&looked.plan, docker)?;
    let ours = concerned(chosen, docker);
    let changes = looked.plan.changes.iter().map(|change| change.address.to_string());
    let obstacles = looked
        .plan
        .notes
        .iter()
        .filter(|note| matches!(note.kind, NoteKind::Fatal | NoteKind::Unseen));
    let differing: BTreeSet<String> = changes
        .chain(obstacles.map(|note| note.about.clone()))
        .filter(|about| ours.contains(about))
        .collect();
    if differing.is_empty() {
        return Ok(());
    }
    let mut view = View::of(&looked.plan, Purpose::Plan);
    view.lines.retain(|line| differing.contains(&line.about));
    view.gaps.clear();
    let text = human(&view, streams.stderr_color);
    // The summary is about everything else, too.
    let lines: Vec<_> = text.lines().collect();
    say(&lines[..lines.len().saturating_sub(1)].join("\n"));
    let things = counted(differing.len(), "thing", "things");
    let message = format!("the entries of {things} would change something, so none was written");
    let hint = "adopt the others by name, and write these by hand";
    Err(Failed::new(message).hint(hint).into())
}

/// The addresses of what is adopted, and of the images it runs.
fn concerned(chosen: &Chosen<'_>, docker: &str) -> BTreeSet<String> {
    let images = chosen.things.iter().flat_map(|thing| thing.found.body.uses());
    let images = images
        .filter(|(sort, _)| *sort == "image")
        .map(|(_, reference)| Address::new(Kind::Image, format!("{docker}/{reference}")));
    let own = chosen.things.iter().map(|thing| thing.address.clone());
    own.chain(images).map(|address| address.to_string()).collect()
}

fn report(chosen: &Chosen<'_>, writer: &Writer, output: &Path, docker: &str) -> anyhow::Result<()> {
    for thing in chosen.things.iter().filter(|thing| !thing.found.beyond.is_empty()) {
        let beyond = cleaned(&thing.found.beyond.join(", "));
        say(&format!(
            "note: `{}` has what no entry can say, and keeps it; a new one in its place would lose \
             {beyond}",
            thing.address
        ));
    }
    let secrets = writer.secrets().count();
    if secrets > 0 {
        say(&format!(
            "note: {} kept in `{}`, which you alone can read; keep it out of version control, and \
             provide it wherever lessor runs",
            counted(secrets, "value that looks secret is", "values that look secret are"),
            files::SECRETS
        ));
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for thing in &chosen.things {
        *counts.entry(thing.found.body.sort()).or_default() += 1;
    }
    let counts: Vec<_> =
        counts.into_iter().map(|(sort, n)| counted(n, sort, &format!("{sort}s"))).collect();
    output::print(&format!(
        "adopted {} of `docker.{docker}` in `{}`: plans to zero changes\n",
        listed(&counts),
        output.display()
    ))
}

/// “a, b and c”.
fn listed(items: &[String]) -> String {
    match items {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        items => items.join(", "),
    }
}

/// What a thing is, in words: “container `web`”.
fn in_words(found: &Found) -> String {
    format!("{} `{}`", found.body.sort(), found.body.name())
}
