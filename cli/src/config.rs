//! `lessor.toml`: what a spec directory says about itself rather than about the world.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use lessor_plans::InstallationId;
use serde::Deserialize;

use crate::exit::Failed;
use crate::output::within;
use crate::redirect::Redirect;

/// The file's name, at the root of a spec directory.
pub(crate) const FILE: &str = "lessor.toml";

/// What the file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Whose things are ours: the same in every mark. Never change it while something exists.
    pub(crate) installation: InstallationId,
    /// The database.
    pub(crate) database: Option<String>,
    /// How many steps of one host run at the same time.
    pub(crate) parallelism: Option<u16>,
    /// Whether `lessor serve` answers on the paths of earlier systems; it does unless this says no.
    pub(crate) compat: Option<bool>,
    /// Other endpoints for connections, by name.
    #[serde(default)]
    pub(crate) endpoint: BTreeMap<String, Redirect>,
}

impl Config {
    /// Reads the file of a spec directory.
    pub(crate) fn read(dir: &Path) -> anyhow::Result<Config> {
        let path = within(dir, FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let message = format!("`{}` has no `{FILE}`", dir.display());
                let hint = format!(
                    "`lessor init {}` writes a new one; if there was one before, restore it, since \
                     its `installation` says whose things are ours",
                    dir.display()
                );
                return Err(Failed::new(message).hint(hint).into());
            }
            Err(error) => {
                return Err(error).with_context(|| format!("could not read `{}`", path.display()));
            }
        };
        toml::from_str(&text).map_err(|error| {
            let message = format!("`{}` is not as it should be", path.display());
            let hint =
                "it says `installation`, and may say `database`, `parallelism`, `compat` and \
                 `endpoint`";
            anyhow::anyhow!(error).context(Failed::new(message).hint(hint))
        })
    }
}
