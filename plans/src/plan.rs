//! All changes together, in order, with what they rest on.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::str::FromStr;

use lessor_specs::Address;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Act, Action, CatalogueChange, Change, Code, Gap, InstallationId, Prices};

/// The version of a plan's form; raised when an old reader would misread a new plan.
pub const FORMAT_VERSION: u32 = 1;

/// Everything that would be done. It leaves nothing to choose, and is never edited: make a new one.
///
/// The same inputs give the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Whose plan it is.
    pub installation: InstallationId,
    /// Digest of the spec tree it was made from.
    pub specs: String,
    /// The last applied revision it was made against; 0 when there was none.
    pub revision: u64,
    /// What the gate lets pass without consent.
    pub rules: GateRules,
    /// In order of address.
    pub changes: Vec<Change>,
    /// In an order in which they can be done one by one.
    pub steps: Vec<Step>,
    /// What is worth saying, in order of place and address.
    pub notes: Vec<Note>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
    /// Ports and subnets that are given out, to be remembered before the first step.
    pub claims: BTreeMap<ClaimKey, Claim>,
    /// What changes of what customers can have, in order of address. It is remembered with the specs
    /// as a whole, before the first step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub catalogue: Vec<CatalogueChange>,
    /// What it does to what everything that is rented comes to.
    #[serde(default, skip_serializing_if = "Prices::is_empty")]
    pub prices: Prices,
    /// Data that is kept although nobody asks for it, to be remembered before the first step.
    pub keeps: Vec<Keep>,
    /// What need not be remembered any more.
    #[serde(default, skip_serializing_if = "Forget::is_empty")]
    pub forget: Forget,
    /// How many changes were found and left out, since a selection was asked for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: usize,
    /// How many things are ours, so that removals can be seen in proportion.
    pub owned: usize,
    /// How many entries the specs have. None at all is more likely a mistake than a wish.
    pub entries: usize,
    /// How many orders there were that are not over.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub orders: usize,
    /// When it has to be made anew, since something falls due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<jiff::Timestamp>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
pub(crate) fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// One call at its place in a plan. Steps are numbered from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The change it is part of, as an index.
    pub change: usize,
    /// What is done.
    pub act: Act,
    /// The steps that have to be done before, as indices.
    pub needs: Vec<usize>,
}

/// Something worth saying about a plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// What sort of note.
    pub kind: NoteKind,
    /// The thing or connection it is about, in words or as an address.
    pub about: String,
    /// What is said.
    pub text: String,
    /// What sort of problem it is, when it is fatal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub code: Option<Code>,
    /// Something one can do now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What sort of note.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// The plan cannot be carried out as it is.
    Fatal,
    /// Something could not be seen or compared.
    Unseen,
    /// Something carries our mark and is not ours.
    Unmanaged,
    /// Something happens later.
    Waiting,
    /// Good to know.
    Info,
}

/// What a claim is for: which pool, and for which part of which thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimKey {
    /// Where it comes from, without spaces: `port_range.minecraft`, `bridge.tenants`,
    /// `proxmox.ams/id`, `docker` for a host.
    pub pool: String,
    /// Whom it is for: `instance.acme/lobby:25565/tcp`.
    pub holder: String,
}

impl ClaimKey {
    /// Whether many may be given the same out of this pool: a connection, or a node of a cluster.
    pub fn is_shared(&self) -> bool {
        matches!(self.pool.as_str(), "docker" | "proxmox") || self.pool.ends_with("/node")
    }
}

impl fmt::Display for ClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pool, self.holder)
    }
}

impl Serialize for ClaimKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClaimKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (pool, holder) = text
            .split_once(' ')
            .ok_or_else(|| serde::de::Error::custom("a claim's key has two parts"))?;
        Ok(ClaimKey { pool: pool.into(), holder: holder.into() })
    }
}

/// What was given out, as text: a port, a subnet, the name of a connection.
pub type Claim = String;

/// Data that is kept although nobody asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// The thing that holds it, by the address in its mark.
    pub address: Address,
    /// The connection it lives on.
    pub place: Address,
    /// For how many seconds from the apply.
    pub seconds: u64,
    /// Not before this date, in any case: it stands with the thing since it was kept before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<jiff::Timestamp>,
}

/// What need not be remembered any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forget {
    /// Claims whose holder is gone.
    pub claims: Vec<ClaimKey>,
    /// Kept data that is asked for again, or is gone.
    pub keeps: Vec<Address>,
}

impl Forget {
    /// Whether there is nothing to forget.
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty() && self.keeps.is_empty()
    }
}

/// What the gate lets pass without consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateRules {
    /// So many removals in one run …
    pub removals: u32,
    /// … or so many percent of what we own, whichever is more.
    pub removals_percent: u8,
    /// Whether data goes by itself once it was kept for long enough.
    pub destroy_when_due: bool,
}

/// SHA-256 of a plan's canonical bytes: its id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Digest(Sha256::digest(bytes).into())
    }

    /// Of the compact JSON of a value, without holding that JSON in memory.
    pub fn of_json(value: &impl Serialize) -> Self {
        let mut hasher = Hasher(Sha256::new());
        // Our values are plain data, and a hash takes every byte: neither can fail.
        let _ = serde_json::to_writer(io::BufWriter::with_capacity(1 << 16, &mut hasher), value);
        Digest(hasher.0.finalize().into())
    }

    /// The first eight digits, enough to tell plans apart in a message.
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Digest {
    type Err = String;

    /// Reads what `Display` writes: 64 lower-case hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no digest");
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(wrong()),
        };
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() {
            return Err(wrong());
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Digest(bytes))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

struct Hasher(Sha256);

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Plan {
    /// The digest of its canonical bytes: compact JSON with fields in the order of declaration and
    /// maps in the order of their keys.
    pub fn id(&self) -> Digest {
        Digest::of_json(self)
    }

    /// Whether nothing would be done.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.keeps.is_empty() && self.catalogue.is_empty()
    }

    /// Why it cannot be carried out as it is.
    pub fn fatal(&self) -> impl Iterator<Item = &Note> {
        self.notes.iter().filter(|note| note.kind == NoteKind::Fatal)
    }

    /// How many changes have this action.
    pub fn count(&self, action: Action) -> usize {
        self.changes.iter().filter(|change| change.action == action).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_claim_is_read_back_from_what_it_is_written_as() {
        let key = ClaimKey { pool: "proxmox.ams/id".into(), holder: "instance.acme/web".into() };
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<ClaimKey>(&text).unwrap(), key);
    }

    #[test]
    fn a_digest_is_read_back_from_what_it_is_written_as() {
        let digest = Digest::of(b"lessor");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for wrong in ["", "7f3a", &"g".repeat(64), &"F".repeat(64), &"ü".repeat(32)] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
    }
}
