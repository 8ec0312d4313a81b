//! Which privilege which option needs.

use crate::proxmox::call::Caller;
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::world::World;

use super::drives;

/// What it takes to change an option.
enum Needs {
    /// The option's value decides, elsewhere.
    Nothing,
    One(&'static str),
    AnyOf(&'static [&'static str]),
    Root,
}

fn needs(option: &str) -> Needs {
    let stem = option.trim_end_matches(|c: char| c.is_ascii_digit());
    if drives::is_drive(option)
        || option == "cdrom"
        || stem != option && matches!(stem, "unused" | "serial" | "usb" | "hostpci")
    {
        return Needs::Nothing;
    }
    match option {
        "cores" | "sockets" | "cpu" | "cpulimit" | "cpuunits" | "numa" | "smp" | "vcpus" => {
            Needs::One("VM.Config.CPU")
        }
        "memory" | "balloon" | "shares" => Needs::One("VM.Config.Memory"),
        "acpi" | "hotplug" | "kvm" | "machine" | "scsihw" | "smbios1" | "tablet" | "vga"
        | "watchdog" | "audio0" | "bios" => Needs::One("VM.Config.HWType"),
        "agent" | "autostart" | "description" | "keyboard" | "localtime" | "migrate_downtime"
        | "migrate_speed" | "name" | "onboot" | "ostype" | "protection" | "reboot"
        | "startdate" | "startup" | "tags" | "tdf" | "template" => Needs::One("VM.Config.Options"),
        "freeze" => Needs::One("VM.PowerMgmt"),
        "boot" | "bootdisk" | "vmstatestorage" => Needs::One("VM.Config.Disk"),
        "cicustom" | "cipassword" | "citype" | "ciupgrade" | "ciuser" | "nameserver"
        | "searchdomain" | "sshkeys" => Needs::AnyOf(&["VM.Config.Cloudinit", "VM.Config.Network"]),
        _ => match stem {
            "numa" => Needs::One("VM.Config.CPU"),
            "net" => Needs::One("VM.Config.Network"),
            "ipconfig" => Needs::AnyOf(&["VM.Config.Cloudinit", "VM.Config.Network"]),
            _ => Needs::Root,
        },
    }
}

/// Goes on only when all these options may be changed by the caller. A new machine has the rights of
/// the pool it is made in, too.
pub(super) fn check<'o>(
    world: &World,
    caller: &Caller,
    vmid: u32,
    pool: Option<&str>,
    options: impl Iterator<Item = &'o String>,
) -> Result<()> {
    if caller.is_root() {
        return Ok(());
    }
    for option in options {
        match needs(option) {
            Needs::Nothing => {}
            Needs::One(privilege) => demand(world, caller, vmid, pool, &[privilege])?,
            Needs::AnyOf(privileges) => demand(world, caller, vmid, pool, privileges)?,
            Needs::Root => {
                return Err(Refusal::failed(format!("only root can set '{option}' config")));
            }
        }
    }
    Ok(())
}

/// Goes on only when these devices may be taken away or, with a text, put in.
pub(super) fn check_device(
    world: &World,
    caller: &Caller,
    (vmid, pool): (u32, Option<&str>),
    option: &str,
    text: Option<&str>,
) -> Result<()> {
    let stem = option.trim_end_matches(|c: char| c.is_ascii_digit());
    let real = |what: &str| {
        let why = format!("only root can set '{option}' config for real devices");
        match text {
            Some(text)
                if !text.trim_start_matches("host=").starts_with(what) && !caller.is_root() =>
            {
                Err(Refusal::failed(why))
            }
            _ => demand(world, caller, vmid, pool, &["VM.Config.HWType"]),
        }
    };
    match stem {
        _ if stem == option => Ok(()),
        "serial" => real("socket"),
        "usb" => real("spice"),
        "hostpci" => real("mapping="),
        "unused" => demand(world, caller, vmid, pool, &["VM.Config.Disk"]),
        _ if drives::is_drive(option) && text.is_none() => {
            demand(world, caller, vmid, pool, &["VM.Config.Disk"])
        }
        _ => Ok(()),
    }
}

/// One of these privileges on the machine or its pool.
pub(super) fn demand(
    world: &World,
    caller: &Caller,
    vmid: u32,
    pool: Option<&str>,
    privileges: &[&str],
) -> Result<()> {
    let of_pool = pool.map(|pool| world.demand_any(caller, &format!("/pool/{pool}"), privileges));
    if of_pool.is_some_and(|outcome| outcome.is_ok()) {
        return Ok(());
    }
    world.demand_any(caller, &format!("/vms/{vmid}"), privileges)
}

/// Goes on only when the bridge of a network card may be used.
pub(super) fn check_bridge(
    world: &World,
    caller: &Caller,
    bridge: Option<&String>,
    tag: Option<&String>,
) -> Result<()> {
    let Some(bridge) = bridge else { return Ok(()) };
    let zone = world.sdn.zone_of(bridge).unwrap_or_else(|| "localnetwork".into());
    let path = format!("/sdn/zones/{zone}/{bridge}");
    let path = tag.map_or_else(|| path.clone(), |tag| format!("{path}/{tag}"));
    world.demand(caller, &path, &["SDN.Use"])
}
