//! Drives of a machine: what their text says, and the volumes behind them.

use std::sync::LazyLock;

use regex::Regex;

use crate::proxmox::call::Caller;
use crate::proxmox::property::{self, Properties};
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::storage::{Wanted, bytes, size_text};
use crate::proxmox::world::World;

/// The size of a drive with settings for cloud-init.
const CLOUD_INIT: u64 = 4 << 20;

static NEW: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^([^/:\s]+):(\d+(?:\.\d+)?)$").ok());

/// What a drive is made of.
#[derive(Debug, PartialEq)]
pub(super) enum Source {
    /// `none`: an empty reader of discs; or the real one.
    Empty,
    /// A new disk on a storage, in bytes.
    New(String, u64),
    /// A new drive for cloud-init.
    CloudInit(String),
    /// What is there already.
    Volume(String),
}

/// Whether an option is a drive.
pub(super) fn is_drive(option: &str) -> bool {
    let stem = option.trim_end_matches(|c: char| c.is_ascii_digit());
    stem != option && matches!(stem, "ide" | "sata" | "scsi" | "virtio" | "efidisk" | "tpmstate")
}

fn format(option: &str) -> String {
    match option.trim_end_matches(|c: char| c.is_ascii_digit()) {
        "efidisk" => "qemu.efidisk0".into(),
        "tpmstate" => "qemu.tpmstate0".into(),
        stem => format!("qemu.{stem}"),
    }
}

/// Takes the text of a drive apart.
pub(super) fn parse(option: &str, text: &str) -> Properties {
    property::parse(&format(option), text).unwrap_or_default()
}

/// Puts it together.
pub(super) fn print(option: &str, drive: &Properties) -> String {
    property::print(&format(option), drive)
}

pub(super) fn source(drive: &Properties) -> Source {
    let file = drive.get("file").map(String::as_str).unwrap_or_default();
    if matches!(file, "" | "none" | "cdrom") {
        return Source::Empty;
    }
    if let Some(storage) = file.strip_suffix(":cloudinit") {
        return Source::CloudInit(storage.into());
    }
    let new = NEW.as_ref().and_then(|pattern| pattern.captures(file));
    match new {
        Some(found) => Source::New(found[1].into(), bytes(&format!("{}G", &found[2]))),
        None => Source::Volume(file.into()),
    }
}

/// Whether it is a reader of discs.
pub(super) fn is_cdrom(drive: &Properties) -> bool {
    drive.get("media").is_some_and(|media| media == "cdrom")
}

/// Whether a drive carries settings for cloud-init.
pub(super) fn is_cloud_init(drive: &Properties) -> bool {
    drive
        .get("file")
        .is_some_and(|file| file.contains("-cloudinit") || file.ends_with(":cloudinit"))
}

/// Goes on only when the storage of a drive is there and may be used.
pub(super) fn check(world: &World, caller: &Caller, drive: &Properties) -> Result<()> {
    match source(drive) {
        Source::Empty => {}
        Source::New(storage, _) | Source::CloudInit(storage) => {
            let path = format!("/storage/{storage}");
            world.demand(caller, &path, &["Datastore.AllocateSpace"])?;
            world.storage(&storage)?;
        }
        Source::Volume(id) => {
            if id.starts_with('/') {
                return only_root_names_paths(caller);
            }
            let storage = id.split_once(':').map_or("", |(storage, _)| storage);
            let path = format!("/storage/{storage}");
            world.demand_any(caller, &path, &["Datastore.AllocateSpace", "Datastore.Audit"])?;
            world.storage(storage)?;
        }
    }
    match drive.get("import-from") {
        Some(from) if from.starts_with('/') => only_root_names_paths(caller),
        _ => Ok(()),
    }
}

fn only_root_names_paths(caller: &Caller) -> Result<()> {
    if caller.is_root() {
        return Ok(());
    }
    Err(Refusal::failed(
        "Only root can pass arbitrary filesystem paths. at /usr/share/perl5/PVE/Storage.pm line 651.",
    ))
}

/// Makes what a drive asks for and measures what is there; says how the drive reads then.
pub(super) fn realize(
    world: &mut World,
    node: &str,
    vmid: u32,
    option: &str,
    text: &str,
) -> Result<String> {
    let mut drive = parse(option, text);
    let format = drive.remove("format");
    let import = drive.remove("import-from");
    match source(&drive) {
        Source::Empty => {}
        Source::CloudInit(storage) => {
            let id = cloud_init(world, node, vmid, &storage, format.as_deref())?;
            drive.insert("file".into(), id);
            drive.insert("media".into(), "cdrom".into());
        }
        Source::New(storage, size) => {
            let size = match &import {
                Some(from) => world.volume(node, from)?.size,
                None if option.starts_with("efidisk") => 528 << 10,
                None if option.starts_with("tpmstate") => 4 << 20,
                None => size,
            };
            let format = format.as_deref();
            let wanted = Wanted { storage: &storage, node, vmid, format, size, prefix: "vm" };
            drive.insert("file".into(), world.allocate(&wanted)?);
            drive.insert("size".into(), size_text(size));
        }
        Source::Volume(id) => {
            let volume = world.volume(node, &id)?;
            if is_cloud_init(&drive) {
                drive.remove("size");
            } else {
                drive.insert("size".into(), size_text(volume.size));
            }
            if volume.content == "iso" {
                drive.insert("media".into(), "cdrom".into());
            }
        }
    }
    Ok(print(option, &drive))
}

/// Makes a drive for cloud-init.
pub(super) fn cloud_init(
    world: &mut World,
    node: &str,
    vmid: u32,
    storage: &str,
    format: Option<&str>,
) -> Result<String> {
    let place = world.storage(storage)?;
    let format = format.unwrap_or("qcow2");
    let name = if place.has_files() {
        format!("{vmid}/vm-{vmid}-cloudinit.{format}")
    } else {
        format!("vm-{vmid}-cloudinit")
    };
    let format = if place.has_files() { format } else { "raw" };
    let wanted = Wanted { storage, node, vmid, format: None, size: CLOUD_INIT, prefix: "vm" };
    world.add_volume(&wanted, &place, name, format)
}
