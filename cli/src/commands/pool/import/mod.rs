//! `lessor pool import`: the entries of machines that stand in a list.
//!
//! In reading order: the list and what is wrong with it ([`list`]), by which key each machine is
//! known ([`keys`]), the entries ([`entries`]), and where passwords are kept ([`secrets`]).

mod entries;
mod keys;
mod list;
mod secrets;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::Context as _;
use lessor_specs::load::{parse, read, salvage};
use lessor_specs::{Specs, Tree};
use secrecy::{ExposeSecret as _, SecretString};

use crate::declarations::slashed;
use crate::exit::{Exit, Failed};
use crate::lending::{ImportArgs, ListFormat};
use crate::output::{self, Files, counted, within};
use entries::{Entries, Entry};
use list::{Listed, Problem};
use secrets::{Kept, Secrets};

pub(crate) async fn run(args: &ImportArgs) -> anyhow::Result<Exit> {
    let text = list_text(args)?;
    let (machines, mut problems) = match args.format {
        ListFormat::MachinesTxt => list::read(text.expose_secret()),
    };
    let path = within(&args.dir, &args.output);
    let before = there(&path)?;
    let mut entries = Entries::of(before.as_deref());
    let own: Vec<_> = entries.machines().map(str::to_owned).collect();
    let specs = salvage(&args.dir).0;
    problems.extend(machines.iter().filter_map(|one| list::in_the_way(one, &specs, &own)));
    refuse(args, problems)?;
    check_pool(args, &specs)?;
    let known_hosts = args.known_hosts.as_deref();
    if let Some(file) = known_hosts {
        fs::metadata(file).with_context(|| format!("could not read `{}`", file.display()))?;
    }
    let keys = match keys::of(&machines, known_hosts).await {
        Ok(keys) => keys,
        Err(problems) => return refuse(args, problems).map(|()| Exit::Done),
    };

    if !specs.pool.contains_key(&args.pool) {
        entries.add_pool(&args.pool);
    }
    let secrets = Secrets::of(&args.dir);
    let mut told = BTreeMap::new();
    for (listed, host_key) in machines.iter().zip(keys) {
        let secret = Secrets::reference(&listed.name);
        let entry = Entry { listed, host_key, secret };
        let has_key = entries.write(&args.pool, &entry);
        let kept =
            if has_key { None } else { Some(secrets.compare(&listed.name, &listed.password)) };
        told.insert(listed.name.clone(), what_became(&own, listed, kept.as_ref(), &entry));
    }
    let text = entries.text();
    check(args, &text)?;

    // A password that no entry names yet harms nobody; an entry without its password would.
    for listed in machines.iter().filter(|one| !told[&one.name].has_key) {
        secrets.write(&listed.name, &listed.password)?;
    }
    if before.as_deref() != Some(text.as_str()) {
        let mut files = Files::default();
        files.stage(&path, &text)?;
        files.persist()?;
    }
    let gone = own.iter().filter(|name| !told.contains_key(*name));
    output::print(&report(args, &told, &gone.cloned().collect::<Vec<_>>()))?;
    Ok(Exit::Done)
}

/// What became of one machine.
struct Told {
    machine: String,
    place: String,
    text: String,
    has_key: bool,
}

fn what_became(own: &[String], listed: &Listed, kept: Option<&Kept>, entry: &Entry<'_>) -> Told {
    let is_new = !own.contains(&listed.name);
    let what = match (is_new, kept) {
        (true, _) => "new",
        (false, Some(Kept::Changed)) => "another password",
        (false, Some(Kept::Missing)) => "its password is kept again",
        (false, Some(Kept::Same)) => "as it was",
        (false, None) => "keeps its `key`, and its password is not used",
    };
    let sign = match (is_new, kept) {
        (true, _) => '+',
        (false, Some(Kept::Changed | Kept::Missing)) => '~',
        (false, Some(Kept::Same) | None) => ' ',
    };
    let Listed { name, host, port, .. } = listed;
    let text = format!("{}  {what}", entry.host_key);
    Told {
        machine: format!("{sign} machine.{name}"),
        place: format!("{host}:{port}"),
        text,
        has_key: kept.is_none(),
    }
}

fn report(args: &ImportArgs, told: &BTreeMap<String, Told>, gone: &[String]) -> String {
    let mut text = String::new();
    let width = |of: fn(&Told) -> &String| told.values().map(|one| of(one).len()).max();
    let (machine, place) = (width(|one| &one.machine), width(|one| &one.place));
    let (machine, place) = (machine.unwrap_or(0), place.unwrap_or(0));
    for one in told.values() {
        let Told { machine: name, place: host, text: rest, .. } = one;
        let _ = writeln!(text, "{name:machine$}  {host:place$}  {rest}");
    }
    let list = args.list.display();
    for name in gone {
        let _ = writeln!(text, "? machine.{name}  not in `{list}` any more, and stays");
    }
    let machines = counted(told.len(), "machine", "machines");
    let path = within(&args.dir, &args.output);
    let _ = writeln!(text, "{machines} of `pool.{}` in `{}`.", args.pool, path.display());
    if !gone.is_empty() {
        let _ = writeln!(text, "hint: to end one that stays, remove its entry and `lessor apply`");
    }
    if args.scan_host_keys {
        let _ = writeln!(
            text,
            "hint: the keys are what the machines showed; compare them with what `ssh-keygen -lf \
             /etc/ssh/ssh_host_ed25519_key.pub` shows there"
        );
    }
    text
}

/// Says every line that is wrong. Nothing was changed then.
fn refuse(args: &ImportArgs, mut problems: Vec<Problem>) -> anyhow::Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    problems.sort_by_key(|problem| problem.line);
    let list = args.list.display();
    let mut message =
        format!("{} wrong with `{list}`", counted(problems.len(), "thing is", "things are"));
    for Problem { line, text } in &problems {
        let _ = write!(message, "\n  {list}:{line}: {text}");
    }
    Err(Failed::new(message).hint("nothing was changed; correct it and run again").into())
}

/// Machines of a list are entered over ssh.
fn check_pool(args: &ImportArgs, specs: &Specs) -> anyhow::Result<()> {
    let name = &args.pool;
    if let Some(problem) = lessor_specs::name_problem(lessor_specs::Kind::Pool, name) {
        return Err(Failed::new(problem).exit(Exit::Usage).into());
    }
    let Some(pool) = specs.pool.get(name) else { return Ok(()) };
    if pool.is_made() || pool.access != lessor_specs::kinds::Access::Ssh {
        let message = format!("the machines of `pool.{name}` are not entered over ssh");
        let failed = Failed::new(message);
        return Err(failed.hint("name a pool of machines that are: `--pool NAME`").into());
    }
    Ok(())
}

/// The whole directory is valid with the file as it shall be.
fn check(args: &ImportArgs, text: &str) -> anyhow::Result<()> {
    let tree = read(&args.dir).map_err(|report| anyhow::anyhow!("{report}"))?;
    let mut files = tree.files().clone();
    files.insert(slashed(&args.output), text.to_owned());
    if let Err(report) = parse(Tree::new(files)) {
        output::say(&report.render("", false));
        let message = "the spec directory would not be valid with these machines";
        return Err(Failed::new(message).hint("nothing was changed; see above").into());
    }
    Ok(())
}

fn list_text(args: &ImportArgs) -> anyhow::Result<SecretString> {
    let path = &args.list;
    let read = if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    Ok(read.with_context(|| format!("could not read `{}`", path.display()))?.into())
}

fn there(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("could not read `{}`", path.display())),
    }
}
