//! `lessor init`: a spec directory to start from.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use lessor_specs::load::load;
use rand::seq::IndexedRandom as _;

use crate::args::InitArgs;
use crate::config;
use crate::exit::{Exit, Failed};
use crate::output::within;
use crate::output::{self, Streams};

const SPECS: &str = include_str!("init/web.toml");
const IGNORE: &str = ".lessor/\nhost.json\n*.plan\n";

pub(crate) fn run(args: &InitArgs, _: &Streams) -> anyhow::Result<Exit> {
    let dir = &args.dir;
    let config = within(dir, config::FILE);
    if config.exists() {
        let message = format!("`{}` is there already", config.display());
        let hint = "its `installation` says whose things are ours, so it is never written twice";
        return Err(Failed::new(message).hint(hint).into());
    }
    fs::create_dir_all(dir).with_context(|| format!("could not make `{}`", dir.display()))?;
    // Beside files of somebody's own, an example would be one thing more to make.
    let has_specs = load(dir).map_or(true, |loaded| !loaded.tree.files().is_empty());
    write(dir, !has_specs)?;
    let here = dir.display().to_string();
    let argument = if here == "." { String::new() } else { format!(" {here}") };
    output::print(&format!(
        "`{here}` is ready: `lessor plan{argument}` shows what would be made, `lessor \
         apply{argument}` makes it\n"
    ))?;
    Ok(Exit::Done)
}

/// Writes what a spec directory needs and does not have yet. Answers with what it wrote.
pub(super) fn write(dir: &Path, with_example: bool) -> anyhow::Result<Vec<PathBuf>> {
    let schema = serde_json::to_string_pretty(&lessor_specs::json_schema())? + "\n";
    let example = with_example.then_some(("web.toml", SPECS));
    let configuration = configuration();
    // The configuration comes last: with it, the directory counts as made.
    let files = [("lessor.schema.json", schema.as_str()), (".gitignore", IGNORE)];
    let mut written = Vec::new();
    for (name, text) in files.into_iter().chain(example).chain([(config::FILE, &*configuration)]) {
        let path = dir.join(name);
        if write_new(&path, text)? {
            written.push(path);
        }
    }
    Ok(written)
}

fn configuration() -> String {
    format!(
        "# Whose things are ours: this stands in the mark of everything lessor makes here.\n\
         # Keep it, and keep it under version control: with another one, lessor would not know\n\
         # its own things any more.\n\
         installation = \"{}\"\n",
        installation()
    )
}

/// Sixteen letters and digits: no two installations meet by chance.
fn installation() -> String {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut rng = rand::rng();
    (0..16).filter_map(|_| LETTERS.choose(&mut rng)).map(|&letter| char::from(letter)).collect()
}

/// Writes a file, unless there is one already; whether it did.
fn write_new(path: &Path, text: &str) -> anyhow::Result<bool> {
    use std::io::Write as _;
    match fs::File::create_new(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
    .with_context(|| format!("could not write `{}`", path.display()))
}
