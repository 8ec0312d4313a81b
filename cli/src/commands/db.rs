//! `lessor db`: the database as such, whatever keeps it.

use std::fmt::Write as _;
use std::path::Path;

use lessor_store::{DatabaseStatus, Location, Store, known_schema};

use crate::args::{BackupArgs, Common, DbArgs, DbCommand, DbDirArgs};
use crate::exit::{Exit, Failed};
use crate::output::{self, counted, say};
use crate::session::configured_database;

pub(crate) async fn run(common: &Common, args: &DbArgs) -> anyhow::Result<Exit> {
    match &args.command {
        DbCommand::Status(DbDirArgs { dir }) => status(&configured_database(dir, common)?).await,
        DbCommand::Migrate(DbDirArgs { dir }) => migrate(&configured_database(dir, common)?).await,
        DbCommand::Verify(DbDirArgs { dir }) => verify(&configured_database(dir, common)?).await,
        DbCommand::Backup(BackupArgs { file, dir }) => {
            backup(&configured_database(dir, common)?, file).await
        }
    }
}

async fn status(url: &str) -> anyhow::Result<Exit> {
    let text = match Store::status(url).await? {
        Some(status) => told(&status),
        None => format!("database  {}, which is not there yet\n", Location::of(url)?),
    };
    output::print(&text)?;
    Ok(Exit::Done)
}

fn told(status: &DatabaseStatus) -> String {
    let mut text = format!("database  {}\n", status.location);
    let known = known_schema();
    let schema = match status.schema {
        None => "none; the first `lessor apply` makes it".into(),
        Some(found) if found > known => {
            format!("{found}, of a later lessor; this one knows {known}")
        }
        Some(found) if found < known => {
            format!("{found} of {known}; `lessor db migrate` brings it up to date")
        }
        Some(found) => format!("{found}, which is current"),
    };
    let _ = writeln!(text, "schema    {schema}");
    if status.schema != Some(known) {
        return text;
    }
    let last = status.last.as_ref().map_or_else(
        || "none".into(),
        |last| {
            let ended = last.ended.map_or_else(
                || "not ended".into(),
                |(at, outcome)| format!("{outcome} at {}", at.strftime("%Y-%m-%dT%H:%M:%SZ")),
            );
            format!("{}, of revision {}, {ended}", last.id, last.revision)
        },
    );
    let _ = writeln!(text, "last run  {last}");
    for lease in &status.leases {
        let _ = writeln!(text, "in use    {} by {}", lease.place, lease.holder);
    }
    for (table, rows) in status.rows.iter().filter(|(_, rows)| **rows > 0) {
        let _ = writeln!(text, "rows      {table} {rows}");
    }
    text
}

async fn migrate(url: &str) -> anyhow::Result<Exit> {
    let before = Store::status(url).await?.and_then(|status| status.schema);
    let store = Store::migrate(url).await?;
    let location = store.location().clone();
    store.close().await;
    let known = known_schema();
    output::print(&match before {
        None => format!("made the schema of `{location}`: {known}\n"),
        Some(before) if before == known => {
            format!("the schema of `{location}` is current: {known}\n")
        }
        Some(before) => {
            format!("brought the schema of `{location}` up to date: {before} → {known}\n")
        }
    })?;
    Ok(Exit::Done)
}

async fn verify(url: &str) -> anyhow::Result<Exit> {
    let Some(store) = Store::open_read_only(url).await? else { return Err(absent(url)?.into()) };
    let verdict = store.verify().await;
    let location = store.location().clone();
    store.close().await;
    let verdict = verdict?;
    let mut text = String::new();
    for wrong in &verdict.wrong {
        let _ = writeln!(text, "wrong: {wrong}");
    }
    if verdict.is_sound() {
        for what in &verdict.checked {
            let _ = writeln!(text, "sound: {what}");
        }
    }
    output::print(&text)?;
    if verdict.is_sound() {
        return Ok(Exit::Done);
    }
    let problems = counted(verdict.wrong.len(), "thing does", "things do");
    let hint = "keep a copy of it as it is; then restore a backup, or begin with an empty one: the \
                marks on the objects bring everything back but history";
    Err(Failed::new(format!("{problems} not fit together in `{location}`")).hint(hint).into())
}

async fn backup(url: &str, to: &Path) -> anyhow::Result<Exit> {
    if let location @ Location::Server { .. } = Location::of(url)? {
        let message = format!("a server keeps `{location}`, and has a command of its own for that");
        let command = format!("pg_dump --format=custom --file={} '{location}'", to.display());
        return Err(Failed::new(message).hint(format!("run `{command}`")).into());
    }
    let Some(store) = Store::open_read_only(url).await? else { return Err(absent(url)?.into()) };
    let copied = store.backup(to).await;
    let location = store.location().clone();
    store.close().await;
    copied?;
    say(&format!("copied `{location}` to `{}`", to.display()));
    Ok(Exit::Done)
}

fn absent(url: &str) -> anyhow::Result<Failed> {
    let message = format!("there is no database at `{}`", Location::of(url)?);
    Ok(Failed::new(message).hint("`lessor apply` makes it, or name another by `--database`"))
}
