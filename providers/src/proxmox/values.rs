//! The values of a guest: what is, and what will be once it was stopped and started.

use super::client::{GuestKind, Pending};
use super::property::text::{self, size_bytes};
use super::property::{Property, Shape};

/// Where disks are that a machine boots from when it does not say so.
const FIRST_DISKS: [&str; 4] = ["scsi0", "virtio0", "sata0", "ide0"];

/// What a guest keeps from its template, or others set, and may wait for its next start without
/// being any of our business.
const OURS: [&str; 14] = [
    "name",
    "hostname",
    "cores",
    "sockets",
    "memory",
    "balloon",
    "onboot",
    "tags",
    "net0",
    "ipconfig0",
    "ciuser",
    "sshkeys",
    "ide2",
    "rootfs",
];

/// Every value of a guest.
#[derive(Clone, Debug, Default)]
pub(super) struct Values(Vec<Pending>);

impl Values {
    pub(super) fn new(rows: Vec<Pending>) -> Self {
        Values(rows)
    }

    /// What is.
    pub(super) fn now(&self, key: &str) -> Option<&str> {
        self.row(key)?.value.as_deref()
    }

    /// What will be.
    pub(super) fn to_be(&self, key: &str) -> Option<&str> {
        let row = self.row(key)?;
        if row.delete.is_some_and(|delete| delete > 0) {
            return None;
        }
        row.pending.as_deref().or(row.value.as_deref())
    }

    /// Every name with what will be.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|row| Some((row.key.as_str(), self.to_be(&row.key)?)))
    }

    /// The names that wait for a stop and a start.
    fn waiting(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|row| row.waits()).map(|row| row.key.as_str())
    }

    /// The names of those that we say anything about.
    pub(super) fn waiting_of_ours(&self) -> impl Iterator<Item = &str> {
        self.waiting().filter(|key| OURS.contains(key))
    }

    /// Changes with any of them.
    pub(super) fn digest(&self) -> Option<&str> {
        self.now("digest")
    }

    /// What somebody wrote about it, and our mark among that.
    pub(super) fn description(&self) -> &str {
        text::description(self.now("description").unwrap_or_default())
    }

    pub(super) fn lock(&self) -> Option<&str> {
        self.now("lock")
    }

    /// The disk that it starts from: where it is attached, and its text.
    pub(super) fn first_disk(&self, kind: GuestKind) -> Option<(&str, Property)> {
        if kind == GuestKind::Lxc {
            let root = Property::parse(Shape::Mount, self.now("rootfs")?).ok()?;
            return Some(("rootfs", root));
        }
        let boot = self.now("boot").and_then(|boot| Property::parse(Shape::Boot, boot).ok());
        let order = boot.as_ref().and_then(|boot| boot.get("order")).unwrap_or_default();
        let places = order.split(';').chain(FIRST_DISKS);
        { places }.find_map(|place| {
            let row = self.0.iter().find(|row| row.key == place)?;
            let disk = Property::parse(Shape::Drive, row.value.as_deref()?).ok()?;
            let is_disk = is_drive(&row.key) && disk.get("media") != Some("cdrom");
            is_disk.then_some((row.key.as_str(), disk))
        })
    }

    /// Every volume that is no disc, on whatever storage.
    pub(super) fn storages(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|row| {
            let (mount, drive) = (is_mount(&row.key), is_drive(&row.key));
            let text = row.value.as_deref().filter(|_| mount || drive)?;
            let is_disk = !text.contains("media=cdrom");
            is_disk.then(|| text.split_once(':').map(|(storage, _)| storage)).flatten()
        })
    }

    /// Whether there is a drive for what cloud-init reads.
    pub(super) fn has_cloud_init_drive(&self) -> bool {
        self.iter().any(|(key, text)| is_drive(key) && text.contains("cloudinit"))
    }

    fn row(&self, key: &str) -> Option<&Pending> {
        self.0.iter().find(|row| row.key == key)
    }
}

/// How many bytes a disk has.
pub(super) fn size(disk: &Property) -> u64 {
    let size = disk.get("size").and_then(size_bytes);
    size.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default()
}

fn is_drive(key: &str) -> bool {
    is_numbered(key, &["ide", "sata", "scsi", "virtio"])
}

fn is_mount(key: &str) -> bool {
    key == "rootfs" || is_numbered(key, &["mp"])
}

fn is_numbered(key: &str, names: &[&str]) -> bool {
    let stem = key.trim_end_matches(|c: char| c.is_ascii_digit());
    stem != key && names.contains(&stem)
}
