//! `lessor try`: an example, planned and applied on pretend systems of this machine.
//!
//! In reading order: the story (here), the systems behind the example's connections ([`ground`]),
//! and what an administrator would have done there beforehand ([`prepare`]).

mod ground;
mod prepare;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::Context as _;
use lessor_sandbox::Chance;
use lessor_specs::load::load;
use lessor_specs::{SecretRef, Specs};

use self::ground::Ground;
use super::init;
use crate::args::TrialArgs;
use crate::exit::{Exit, Failed};
use crate::interrupt;
use crate::output::{Streams, say};
use crate::session::invalid;

/// What a shell reads to speak with the pretend systems.
const ENVIRONMENT: &str = "sandbox.env";

/// The commands that tell the story.
const STORY: [&[&str]; 3] = [&["plan"], &["apply", "--yes"], &["drift"]];

pub(crate) async fn run(args: &TrialArgs, streams: &Streams) -> anyhow::Result<Exit> {
    let stop = interrupt::asked()?;
    let example = &args.example;
    let loaded = load(example).map_err(|report| invalid(&report, example, streams))?;
    let stage = Stage::new(args)?;
    copy(example, &loaded, &stage.dir)?;
    say("starting pretend systems for its connections");
    let ground = Ground::start(&loaded.specs).await?;
    prepare::prepare(&loaded.specs, &ground).await?;
    let environment = environment(&loaded.specs, &ground, &stage.dir)?;
    for arguments in STORY {
        let exit = command(arguments, &stage.dir, &environment).await?;
        if !exit.success() {
            let message = format!("`lessor {}` did not come to its end", arguments.join(" "));
            return Err(Failed::new(message).into());
        }
    }
    if args.once {
        return Ok(Exit::Done);
    }
    say(&format!(
        "\nIt goes on until Ctrl-C. In another terminal:\n\n  \
         cd {dir} && . ./{ENVIRONMENT}\n  lessor show\n  lessor explain ADDRESS\n\n\
         Change a file and `lessor plan`, or change something behind lessor's back and `lessor drift`.\n\
         {access}",
        dir = stage.dir.display(),
        access = ground.access(),
    ));
    stop.await;
    Ok(Exit::Done)
}

/// Where it is played.
struct Stage {
    dir: PathBuf,
    /// Removed at the end, unless the place was asked for.
    _temporary: Option<tempfile::TempDir>,
}

impl Stage {
    fn new(args: &TrialArgs) -> anyhow::Result<Stage> {
        let Some(dir) = &args.dir else {
            let temporary = tempfile::Builder::new().prefix("lessor-try-").tempdir()?;
            return Ok(Stage { dir: temporary.path().to_owned(), _temporary: Some(temporary) });
        };
        let is_empty = || fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
        if dir.exists() && !is_empty() {
            let message = format!("`{}` is there already, and not empty", dir.display());
            return Err(Failed::new(message).hint("name a directory that is not there yet").into());
        }
        fs::create_dir_all(dir).with_context(|| format!("could not make `{}`", dir.display()))?;
        Ok(Stage { dir: dir.canonicalize()?, _temporary: None })
    }
}

/// The spec files of an example, in a spec directory of its own: nothing is written beside them.
fn copy(example: &Path, loaded: &lessor_specs::Loaded, dir: &Path) -> anyhow::Result<()> {
    for (name, text) in loaded.tree.files() {
        let path = dir.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, text)
            .with_context(|| format!("could not copy `{}`", example.join(name).display()))?;
    }
    init::write(dir, false).map(drop)
}

/// What the commands need to know beyond the files: where everything is, and every secret.
fn environment(
    specs: &Specs,
    ground: &Ground,
    dir: &Path,
) -> anyhow::Result<BTreeMap<String, String>> {
    let mut environment = BTreeMap::from([("LESSOR_ENDPOINT".to_owned(), ground.endpoints())]);
    let mut chance = Chance::new(rand::random());
    let known = ground.secrets(specs);
    for secret in specs.secrets() {
        // Whatever is asked for beside credentials is made up; as a key it is one of WireGuard.
        let value = known.get(secret).cloned().unwrap_or_else(|| made_up(&mut chance));
        match secret {
            SecretRef::Env(name) => drop(environment.insert(name.clone(), value)),
            SecretRef::File(path) => {
                let path = dir.join(path);
                path.parent().map_or(Ok(()), fs::create_dir_all)?;
                fs::write(path, value)?;
            }
        }
    }
    let exports = environment.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "export {name}='{value}'");
        text
    });
    fs::write(dir.join(ENVIRONMENT), exports)?;
    Ok(environment)
}

/// 32 bytes, as `wg genkey` writes them.
fn made_up(chance: &mut Chance) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut letter = |among: usize, step: usize| {
        let number = usize::try_from(chance.number() % 64).unwrap_or(0) % among;
        char::from(LETTERS[number * step])
    };
    // The last digit of 32 bytes holds four bits.
    let digits: String = (0..42).map(|_| letter(64, 1)).collect();
    format!("{digits}{}=", letter(16, 4))
}

/// Runs one of our own commands, and shows it. What it prints goes where ours does.
async fn command(
    arguments: &'static [&'static str],
    dir: &Path,
    environment: &BTreeMap<String, String>,
) -> anyhow::Result<ExitStatus> {
    say(&format!("\n$ lessor {}", arguments.join(" ")));
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).current_dir(dir).envs(environment);
    // The pretend systems answer meanwhile, so this thread must not wait.
    let run = tokio::task::spawn_blocking(move || command.status());
    run.await?.context("could not run a command of ours")
}
