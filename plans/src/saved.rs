//! A plan in a file: it verifies and renders without the world it was made for.

use std::collections::BTreeMap;

use lessor_specs::Tree;
use serde::{Deserialize, Serialize};

use crate::{FORMAT_VERSION, Plan};

/// What the file says it is.
const FORMAT: &str = "lessor-plan";

/// A plan with the spec files it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The plan.
    pub plan: Plan,
    /// The spec files.
    pub tree: Tree,
    /// The spec directory, relative to the file's own.
    pub directory: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File<P> {
    format: String,
    format_version: u32,
    id: String,
    directory: String,
    files: BTreeMap<String, String>,
    plan: P,
}

/// Why a file is not a plan that can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// It is something else, or cut short.
    #[error("it is not a saved plan")]
    NotAPlan(#[source] serde_json::Error),
    /// It was written by another version.
    #[error("it has format {found}, and this lessor reads format {FORMAT_VERSION}")]
    Version {
        /// The format of the file.
        found: u64,
    },
    /// Its content is not what its id says.
    #[error("it was changed after it was made: its id is `{stated}`, its content has `{actual}`")]
    Changed {
        /// What the file says.
        stated: String,
        /// What it holds.
        actual: String,
    },
}

impl Saved {
    /// The file's content.
    pub fn to_json(&self) -> String {
        let file = File {
            format: FORMAT.into(),
            format_version: FORMAT_VERSION,
            id: self.plan.id().to_string(),
            directory: self.directory.clone(),
            files: self.tree.files().clone(),
            plan: &self.plan,
        };
        // Plain data with text keys: this cannot fail.
        serde_json::to_string_pretty(&file).unwrap_or_default() + "\n"
    }

    /// Reads and verifies the content of a file.
    ///
    /// # Errors
    /// When it is no plan, of another format, or not what its id says.
    pub fn from_json(text: &str) -> Result<Saved, SavedError> {
        let value: serde_json::Value = serde_json::from_str(text).map_err(SavedError::NotAPlan)?;
        if value["format"] == FORMAT
            && let Some(found) = value["format_version"].as_u64()
            && found != u64::from(FORMAT_VERSION)
        {
            return Err(SavedError::Version { found });
        }
        let file: File<Plan> = serde_json::from_value(value).map_err(SavedError::NotAPlan)?;
        let tree = Tree::new(file.files);
        let actual = file.plan.id().to_string();
        if actual != file.id {
            return Err(SavedError::Changed { stated: file.id, actual });
        }
        if tree.digest() != file.plan.specs {
            return Err(SavedError::Changed { stated: file.plan.specs, actual: tree.digest() });
        }
        let sound = file.plan.steps.iter().enumerate().all(|(number, step)| {
            step.change < file.plan.changes.len() && step.needs.iter().all(|need| *need < number)
        });
        if !sound {
            let error = serde::de::Error::custom("its steps are out of order");
            return Err(SavedError::NotAPlan(error));
        }
        Ok(Saved { plan: file.plan, tree, directory: file.directory })
    }
}
