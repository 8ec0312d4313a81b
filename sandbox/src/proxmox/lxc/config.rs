//! Options of a container.

use serde_json::Value;

use super::{container, is_volume};
use crate::proxmox::call::{Call, Caller, Params};
use crate::proxmox::guest::{Guest, Kind};
use crate::proxmox::property::{self, Properties};
use crate::proxmox::qemu::config::{keep_unused, mac_prefix, tags};
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::storage::{Wanted, bytes, size_text};
use crate::proxmox::world::{Options, World};

fn format(option: &str) -> &'static str {
    if option == "rootfs" { "lxc.rootfs" } else { "lxc.mp" }
}

/// Takes the text of a volume apart.
pub(super) fn parse_volume(option: &str, text: &str) -> Properties {
    property::parse(format(option), text).unwrap_or_default()
}

/// Puts it together.
pub(super) fn print_volume(option: &str, parts: &Properties) -> String {
    property::print(format(option), parts)
}

pub(super) fn read(call: &mut Call<'_>) -> Result<Value> {
    let guest = container(call.world, &call.node, call.given.vmid())?;
    let options = match call.given.get("snapshot") {
        Some(name) => crate::proxmox::qemu::snapshot::named(guest, name)?,
        None => &guest.config,
    };
    let mut row = guest.typed(options);
    row.insert("digest".into(), guest.digest().into());
    Ok(row.into())
}

/// The privilege that it takes to change an option; none is enough for some.
fn needs(option: &str) -> Option<&'static str> {
    let stem = option.trim_end_matches(|c: char| c.is_ascii_digit());
    match (option, stem) {
        ("cores" | "cpulimit" | "cpuunits", _) => Some("VM.Config.CPU"),
        ("memory" | "swap", _) => Some("VM.Config.Memory"),
        ("nameserver" | "searchdomain" | "hostname", _) | (_, "net") => Some("VM.Config.Network"),
        ("rootfs", _) | (_, "mp" | "unused") => Some("VM.Config.Disk"),
        ("lock" | "hookscript" | "entrypoint" | "env", _) | (_, "dev") => None,
        _ => Some("VM.Config.Options"),
    }
}

/// Goes on only when all these options may be changed by the caller.
pub(super) fn check_rights<'o>(
    world: &World,
    caller: &Caller,
    (vmid, pool): (u32, Option<&str>),
    options: impl Iterator<Item = &'o String>,
) -> Result<()> {
    for option in options.filter(|_| !caller.is_root()) {
        let Some(privilege) = needs(option) else {
            return Err(Refusal::failed(format!("only root can set '{option}' config")));
        };
        let path = pool.map(|pool| format!("/pool/{pool}"));
        let by_pool = path.is_some_and(|path| world.demand(caller, &path, &[privilege]).is_ok());
        if !by_pool {
            world.demand(caller, &format!("/vms/{vmid}"), &[privilege])?;
        }
    }
    Ok(())
}

/// Feature flags of a container whose root is root outside, too, are for root alone.
pub(super) fn check_features(caller: &Caller, given: &Params, unprivileged: bool) -> Result<()> {
    if given.get("features").is_some() && !unprivileged && !caller.is_root() {
        return Err(Refusal::forbidden(
            "changing feature flags for privileged container is only allowed for root@pam",
        ));
    }
    Ok(())
}

/// Writes options as they are kept.
pub(super) fn prepare(world: &mut World, given: &Options) -> Options {
    let mut kept = Options::new();
    for (option, text) in given {
        let stem = option.trim_end_matches(|c: char| c.is_ascii_digit());
        let text = match (stem, option.as_str()) {
            ("net", _) => {
                let mut card = property::parse("lxc.net", text).unwrap_or_default();
                let prefix = mac_prefix(world);
                card.entry("hwaddr".into()).or_insert_with(|| world.chance.mac(&prefix));
                card.entry("type".into()).or_insert_with(|| "veth".into());
                property::print("lxc.net", &card)
            }
            (_, "tags") => tags(world, text),
            (_, "description") => format!("{}\n", text.trim_end_matches('\n')),
            _ => text.clone(),
        };
        kept.insert(option.clone(), text);
    }
    kept
}

/// Goes on only when the storage of a volume is there and may be used.
pub(super) fn check_volume(world: &World, caller: &Caller, option: &str, text: &str) -> Result<()> {
    let parts = parse_volume(option, text);
    let Some((storage, _)) = parts.get("volume").and_then(|id| id.split_once(':')) else {
        return Ok(());
    };
    world.demand(caller, &format!("/storage/{storage}"), &["Datastore.AllocateSpace"])?;
    world.storage(storage)?;
    Ok(())
}

/// Makes what a volume asks for; a size of nothing asks for a directory.
pub(super) fn realize(
    world: &mut World,
    node: &str,
    vmid: u32,
    option: &str,
    text: &str,
) -> Result<String> {
    let mut parts = parse_volume(option, text);
    let id = parts.get("volume").cloned().unwrap_or_default();
    let Some((storage, rest)) = id.split_once(':') else { return Ok(text.to_owned()) };
    if rest.parse::<f64>().is_ok() {
        let size = bytes(&format!("{rest}G"));
        let (prefix, format) = if size == 0 { ("subvol", "subvol") } else { ("vm", "raw") };
        let wanted = Wanted { storage, node, vmid, format: Some(format), size, prefix };
        parts.insert("volume".into(), world.allocate(&wanted)?);
        parts.insert("size".into(), size_text(size));
    } else {
        let size = world.volume(node, &id)?.size;
        parts.insert("size".into(), size_text(size));
    }
    Ok(print_volume(option, &parts))
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Value> {
    let (vmid, node) = (call.given.vmid(), call.node.clone());
    let delete = call.given.list("delete");
    let given = Params(call.given.without(&["node", "vmid", "delete", "digest", "revert"]));
    if given.0.is_empty() && delete.is_empty() && call.given.get("revert").is_none() {
        return Err(Refusal::failed("no options specified"));
    }
    for option in &delete {
        if given.get(option).is_some() {
            let why = format!("you can't use '-{option}' and -delete {option}' at the same time");
            return Err(Refusal::parameter("delete", why));
        }
        if !Guest::has_option(Kind::Lxc, option) {
            return Err(Refusal::parameter("delete", format!("unknown option '{option}'")));
        }
    }
    let all = delete.iter().chain(given.0.keys());
    check_rights(call.world, &call.caller, (vmid, None), all)?;
    for (option, text) in given.0.iter().filter(|(option, _)| is_volume(option)) {
        check_volume(call.world, &call.caller, option, text)?;
    }
    let guest = container(call.world, &node, vmid)?;
    call.same_digest(&guest.digest())?;
    guest.unlocked()?;
    check_features(&call.caller, &given, guest.flag("unprivileged"))?;
    for option in delete.iter().chain(given.0.keys()) {
        if matches!(option.as_str(), "unprivileged" | "arch" | "ostype" | "template")
            && guest.config.get(option).map(String::as_str) != given.get(option)
        {
            let why = format!("unable to modify read-only option: '{option}'");
            return Err(Refusal::failed(why));
        }
    }
    if delete.iter().any(|option| option == "rootfs") {
        return Err(Refusal::failed("unable to delete required option 'rootfs'"));
    }
    for option in &delete {
        remove(call.world, &node, vmid, option)?;
    }
    for (option, text) in prepare(call.world, &given.0) {
        let text = if is_volume(&option) {
            realize(call.world, &node, vmid, &option, &text)?
        } else {
            text
        };
        remove(call.world, &node, vmid, &option)?;
        call.world.guest_mut(Kind::Lxc, &node, vmid)?.config.insert(option, text);
    }
    Ok(Value::Null)
}

/// Takes an option out; a volume that was attached stays as an unused one.
fn remove(world: &mut World, node: &str, vmid: u32, option: &str) -> Result<()> {
    let guest = world.guest_mut(Kind::Lxc, node, vmid)?;
    let Some(old) = guest.config.remove(option) else { return Ok(()) };
    let id = old.split(',').next().unwrap_or_default().to_owned();
    if option.starts_with("unused") {
        return world.remove_volume(node, &id);
    }
    if is_volume(option) && id.contains(':') {
        keep_unused(guest, &id);
    }
    Ok(())
}
