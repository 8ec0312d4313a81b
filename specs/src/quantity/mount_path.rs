use std::fmt;
use std::str::FromStr;

use super::{Malformed, TextQuantity, text_quantity};
use crate::Code;

/// Where a volume is mounted in a container: an absolute path other than `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MountPath(String);

impl MountPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for MountPath {
    fn default() -> Self {
        MountPath("/data".into())
    }
}

impl fmt::Display for MountPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for MountPath {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let parts = || text.split('/').skip(1);
        let good = text.starts_with('/')
            && parts().all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'));
        good.then(|| MountPath(text.into())).ok_or_else(|| {
            Malformed::new(
                Code::MalformedMountPath,
                "an absolute path such as `/data`, without `..`",
            )
        })
    }
}

impl TextQuantity for MountPath {
    const FORMAT: &'static str = "mount-path";
    const PATTERN: &'static str = "^/.+";
    const DESCRIPTION: &'static str = "An absolute path in the container, such as `/data`.";
}

text_quantity!(MountPath, "MountPath");
