//! Storages and the volumes on them.

mod calls;
mod content;

use serde::{Deserialize, Serialize};

use super::call::{Handler, digest, lines};
use super::refusal::{Refusal, Result};
use super::world::{Options, World};

pub(super) use content::run_delete;

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("GET /storage", calls::list),
    ("POST /storage", calls::create),
    ("GET /storage/{storage}", calls::read),
    ("PUT /storage/{storage}", calls::update),
    ("DELETE /storage/{storage}", calls::delete),
    ("GET /nodes/{node}/storage", calls::list_on_node),
    ("GET /nodes/{node}/storage/{storage}/status", calls::status),
    ("GET /nodes/{node}/storage/{storage}/content", content::list),
    ("POST /nodes/{node}/storage/{storage}/content", content::allocate),
    ("GET /nodes/{node}/storage/{storage}/content/{volume}", content::read),
    ("DELETE /nodes/{node}/storage/{storage}/content/{volume}", content::delete),
    ("POST /nodes/{node}/storage/{storage}/download-url", content::download),
];

/// A place for volumes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Storage {
    pub(super) kind: String,
    pub(super) options: Options,
}

/// A disk, an image of an installer, a template …
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Volume {
    pub(super) storage: String,
    /// Where it lies; nowhere in particular on a shared storage.
    pub(super) node: Option<String>,
    /// `101/vm-101-disk-0.qcow2`, `iso/debian.iso`
    pub(super) name: String,
    pub(super) vmid: Option<u32>,
    pub(super) content: String,
    pub(super) format: String,
    /// In bytes.
    pub(super) size: u64,
    /// When it was made, in seconds since 1970.
    pub(super) made: u64,
    /// The name of the volume that it is a difference to.
    pub(super) parent: Option<String>,
    /// What is noted of a backup.
    #[serde(default)]
    pub(super) notes: Option<String>,
}

impl Volume {
    /// What a fresh node has.
    pub(super) fn installed(node: &str, now: u64) -> [Volume; 2] {
        let volume = |content: &str, file: &str, format: &str, size| Volume {
            storage: "local".into(),
            node: Some(node.into()),
            name: format!("{content}/{file}"),
            vmid: None,
            content: content.into(),
            format: format.into(),
            size,
            made: now,
            parent: None,
            notes: None,
        };
        [
            volume("iso", "debian-12-netinst.iso", "iso", 1 << 20),
            volume("vztmpl", "debian-12-standard_12.7-1_amd64.tar.gz", "tgz", 1_032_212),
        ]
    }

    /// How configurations name it.
    pub(super) fn id(&self) -> String {
        match &self.parent {
            Some(parent) => format!("{}:{parent}/{}", self.storage, self.name),
            None => format!("{}:{}", self.storage, self.name),
        }
    }

    /// The guest it is of: the one it belongs to, or the one that it is a backup of.
    pub(super) fn of_guest(&self) -> Option<u32> {
        let backup = self.name.strip_prefix("backup/vzdump-").map(|rest| rest.split('-').nth(1));
        self.vmid.or_else(|| backup.flatten()?.parse().ok())
    }

    /// What it takes on the storage, in bytes. Volumes are thin here.
    pub(super) fn used(&self) -> u64 {
        match self.content.as_str() {
            "images" | "rootdir" if self.format == "raw" => 0,
            "images" | "rootdir" => 196_608 + self.size / 8192,
            _ => self.size,
        }
    }
}

impl Storage {
    /// What is there when nothing is configured.
    fn local() -> Storage {
        let options = [
            ("path", "/var/lib/vz"),
            ("content", "backup,images,iso,rootdir,snippets,vztmpl"),
            ("prune-backups", "keep-all=1"),
            ("priority", "0"),
        ];
        let options = options.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Storage { kind: "dir".into(), options: options.into() }
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.options.get("disable").is_none_or(|flag| flag == "0")
    }

    /// Whether every node sees the same there.
    pub(super) fn is_shared(&self) -> bool {
        let by_nature = matches!(
            self.kind.as_str(),
            "nfs" | "cifs" | "cephfs" | "rbd" | "iscsi" | "iscsidirect" | "zfs" | "pbs"
        );
        by_nature || self.options.get("shared").is_some_and(|flag| flag == "1")
    }

    /// Whether a node has it.
    pub(super) fn is_on(&self, node: &str) -> bool {
        let nodes = self.options.get("nodes");
        nodes.is_none_or(|nodes| super::formats::items(nodes).any(|one| one == node))
    }

    pub(super) fn content(&self) -> Vec<&str> {
        let default = match self.kind.as_str() {
            "dir" | "nfs" | "cifs" | "btrfs" => "images,rootdir,vztmpl,iso,backup,snippets",
            "pbs" => "backup",
            "cephfs" => "vztmpl,iso,backup",
            _ => "images,rootdir",
        };
        let content = self.options.get("content").map_or(default, String::as_str);
        super::formats::items(content).collect()
    }

    /// Whether volumes are files there.
    pub(super) fn has_files(&self) -> bool {
        matches!(self.kind.as_str(), "dir" | "nfs" | "cifs" | "cephfs" | "btrfs")
    }

    /// Where a volume lies.
    pub(super) fn path(&self, id: &str, name: &str) -> String {
        let shared = format!("/mnt/pve/{id}");
        let base = self.options.get("path").unwrap_or(&shared);
        if !self.has_files() {
            return format!("/dev/{id}/{name}");
        }
        match name.split_once('/') {
            Some(("iso", file)) => format!("{base}/template/iso/{file}"),
            Some(("vztmpl", file)) => format!("{base}/template/cache/{file}"),
            Some(("backup", file)) => format!("{base}/dump/{file}"),
            Some(("snippets", file)) => format!("{base}/snippets/{file}"),
            _ => format!("{base}/images/{name}"),
        }
    }
}

/// What a guest wants of a new volume.
pub(super) struct Wanted<'a> {
    pub(super) storage: &'a str,
    pub(super) node: &'a str,
    pub(super) vmid: u32,
    /// `qcow2`; what the storage prefers without.
    pub(super) format: Option<&'a str>,
    /// In bytes.
    pub(super) size: u64,
    /// `vm`, `base`, `subvol`
    pub(super) prefix: &'a str,
}

impl World {
    /// A storage by its id.
    pub(super) fn storage(&self, id: &str) -> Result<Storage> {
        let implied = (id == "local").then(Storage::local);
        let found = self.storages.get(id).cloned().or(implied);
        found.ok_or_else(|| Refusal::failed(format!("storage '{id}' does not exist")))
    }

    /// How many bytes of a storage are taken: a system, and volumes.
    fn used_space(&self, id: &str) -> u64 {
        let held = self.volumes.iter().filter(|volume| volume.storage == id).map(Volume::used);
        held.fold(23_927_627_776, u64::saturating_add)
    }

    /// How many bytes are left there.
    pub(super) fn free_space(&self, node: &str, id: &str) -> Result<u64> {
        self.storage(id)?;
        let size = self.nodes.get(node).map_or(0, |node| node.disk);
        Ok(size.saturating_sub(self.used_space(id)))
    }

    /// All storages, with the one that is always there.
    pub(super) fn all_storages(&self) -> Vec<(String, Storage)> {
        let mut all = self.storages.clone();
        all.entry("local".into()).or_insert_with(Storage::local);
        all.into_iter().collect()
    }

    /// SHA-1 of the file that tells of storages.
    pub(super) fn storages_digest(&self) -> String {
        let mut file = String::new();
        for (id, storage) in &self.storages {
            file.push_str(&format!("{}: {id}\n{}\n", storage.kind, lines(&storage.options)));
        }
        digest(&file)
    }

    /// Where a volume is in the list.
    pub(super) fn volume_index(&self, node: &str, id: &str) -> Option<usize> {
        let (storage, name) = id.split_once(':')?;
        let name = own_name(name);
        self.volumes.iter().position(|volume| {
            volume.storage == storage
                && volume.name == name
                && volume.node.as_ref().is_none_or(|lies| lies == node)
        })
    }

    /// A volume as that node sees it.
    pub(super) fn volume(&self, node: &str, id: &str) -> Result<&Volume> {
        let storage = id.split_once(':').map_or(id, |(storage, _)| storage);
        self.storage(storage)?;
        let found = self.volume_index(node, id).and_then(|n| self.volumes.get(n));
        found.ok_or_else(|| Refusal::failed(format!("volume '{id}' does not exist")))
    }

    /// Makes a volume with the first free number, and says its id.
    pub(super) fn allocate(&mut self, wanted: &Wanted<'_>) -> Result<String> {
        let storage = self.storage(wanted.storage)?;
        let format = match wanted.format {
            Some(format) if storage.has_files() => format,
            _ => "raw",
        };
        let vmid = wanted.vmid;
        let mut n = 0;
        loop {
            let stem = |prefix: &str| format!("{prefix}-{vmid}-disk-{n}");
            let is_taken = self.volumes.iter().any(|volume| {
                volume.storage == wanted.storage
                    && volume.vmid == Some(vmid)
                    && ["vm", "base", "subvol", "basevol"].iter().any(|prefix| {
                        let file = volume.name.rsplit('/').next().unwrap_or_default();
                        file.split('.').next() == Some(&stem(prefix))
                    })
            });
            if !is_taken {
                break;
            }
            n += 1;
        }
        let file = format!("{}-{vmid}-disk-{n}", wanted.prefix);
        let name = if storage.has_files() { format!("{vmid}/{file}.{format}") } else { file };
        self.add_volume(wanted, &storage, name, format)
    }

    /// Makes a volume of that name, and says its id.
    pub(super) fn add_volume(
        &mut self,
        wanted: &Wanted<'_>,
        storage: &Storage,
        name: String,
        format: &str,
    ) -> Result<String> {
        let id = format!("{}:{name}", wanted.storage);
        if self.volume_index(wanted.node, &id).is_some() {
            let path = storage.path(wanted.storage, &name);
            return Err(Refusal::failed(format!("disk image '{path}' already exists")));
        }
        let node = (!storage.is_shared()).then(|| wanted.node.to_owned());
        self.volumes.push(Volume {
            storage: wanted.storage.into(),
            node,
            name,
            vmid: Some(wanted.vmid),
            content: if wanted.prefix == "subvol" { "rootdir" } else { "images" }.into(),
            format: format.into(),
            size: wanted.size,
            made: self.now(),
            parent: None,
            notes: None,
        });
        Ok(id)
    }

    /// Removes a volume unless others are differences to it.
    pub(super) fn remove_volume(&mut self, node: &str, id: &str) -> Result<()> {
        let Some(n) = self.volume_index(node, id) else { return Ok(()) };
        let (storage, name) = (&self.volumes[n].storage, &self.volumes[n].name);
        let is_base = self
            .volumes
            .iter()
            .any(|volume| volume.storage == *storage && volume.parent.as_ref() == Some(name));
        if is_base {
            let why = format!("base volume '{id}' is still in use by linked cloned");
            return Err(Refusal::failed(why));
        }
        self.volumes.remove(n);
        Ok(())
    }
}

/// The own name of a volume behind that of its base.
pub(super) fn own_name(name: &str) -> &str {
    let slashes: Vec<usize> = name.match_indices('/').map(|(at, _)| at).collect();
    match slashes.as_slice() {
        [_, second, _] => &name[second + 1..],
        [only] if name.starts_with("base-") => &name[only + 1..],
        _ => name,
    }
}

/// How many bytes `1.5G` is; what is none is nothing.
pub(super) fn bytes(text: &str) -> u64 {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit() && c != '.');
    let unit: u64 = match text[digits.len()..].chars().next() {
        Some('K') => 1 << 10,
        Some('M') => 1 << 20,
        Some('G') => 1 << 30,
        Some('T') => 1 << 40,
        _ => 1,
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let whole: u64 = whole.parse().unwrap_or_default();
    let mut bytes = whole.saturating_mul(unit);
    let mut scale = unit;
    for digit in part.chars().filter_map(|digit| digit.to_digit(10)) {
        bytes = bytes.saturating_add(u64::from(digit) * scale / 10);
        scale /= 10;
    }
    bytes
}

/// The largest unit that divides: `1536M`, `3G`.
pub(super) fn size_text(bytes: u64) -> String {
    let mut size = bytes;
    for unit in ["", "K", "M", "G"] {
        if !size.is_multiple_of(1024) {
            return format!("{size}{unit}");
        }
        size /= 1024;
    }
    format!("{size}T")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_in_the_largest_unit_that_divides() {
        let written = [0, 1000, 1536 << 20, 3 << 30, 1 << 40].map(size_text);
        assert_eq!(written, ["0T", "1000", "1536M", "3G", "1T"]);
        assert_eq!([bytes("0.5G"), bytes("3584M"), bytes("1T")], [512 << 20, 3584 << 20, 1 << 40]);
    }
}
