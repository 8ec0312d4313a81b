//! Rules of pools and of machines: what they are made of, how they are entered, how they are cleaned.

use std::collections::BTreeMap;

use super::guests::is_user;
use super::{Checker, Step, at};
use crate::kinds::{Access, Machine, Pool, Sanitise};
use crate::{Address, Code, Kind};

pub(super) fn check(checker: &mut Checker<'_>) {
    let specs = checker.specs;
    for (name, pool) in &specs.pool {
        let from = Address::new(Kind::Pool, &**name);
        match pool.replicas {
            Some(replicas) => made(checker, &from, pool, replicas),
            None => gathered(checker, &from, pool),
        }
        cleaning(checker, &from, pool);
        if let Some(prefix) = pool.user_prefix.as_deref().filter(|prefix| !is_prefix(prefix)) {
            let message = format!("`{from}` has `{prefix}` for the beginning of names of users");
            checker.find(Code::MalformedUser, from.clone(), at!["user_prefix"], message).hint =
                Some(format!(
                    "use up to {PREFIX_MAX} of `a` to `z`, digits, `-` and `_`, with a letter at the beginning"
                ));
        }
    }
    let containers = specs.container.keys().map(|name| (Kind::Container, name));
    let machines = specs.machine.keys().map(|name| (Kind::Machine, name));
    for (kind, name) in containers.chain(machines) {
        own_name(checker, Address::new(kind, &**name));
    }
    for (name, machine) in &specs.machine {
        self::machine(checker, &Address::new(Kind::Machine, &**name), machine);
    }
    once(checker);
}

/// So much of a name is left to tell accounts apart.
const PREFIX_MAX: usize = 16;

fn is_prefix(prefix: &str) -> bool {
    is_user(prefix) && prefix.len() <= PREFIX_MAX
}

/// Containers that we make have an image, a port each, and are entered by their engine.
fn made(checker: &mut Checker<'_>, from: &Address, pool: &Pool, replicas: u32) {
    let image = pool.image.as_ref().map(|name| (name, checker.specs.image.get(name)));
    match image {
        None => {
            let message = format!("`{from}` makes machines and has no image for them");
            checker.find(Code::PoolWithoutImage, from.clone(), Vec::new(), message).hint =
                Some("add `image = \"…\"`, or remove `replicas` and declare machines".into());
        }
        Some((name, Some(image))) if image.container.is_none() => {
            let image = Address::new(Kind::Image, &**name);
            let message = format!("`{from}` makes containers, and `{image}` is not for them");
            checker.find(Code::PoolWithoutImage, from.clone(), at!["image"], message).hint =
                Some(format!("add a table `[{}.container]`", image.header()));
        }
        Some(_) => {}
    }
    let count = pool.ports.map_or(0, crate::PortRange::count);
    if count < replicas {
        let path = if pool.ports.is_some() { at!["ports"].to_vec() } else { Vec::new() };
        let message = format!("`{from}` has {count} ports for {replicas} machines");
        checker.find(Code::TooFewPorts, from.clone(), path, message).hint =
            Some("each machine is reached by a port of its host; make `ports` as long".into());
    }
    checker.memory(from, at!["memory"], pool.memory);
    if pool.access != Access::DockerExec {
        let message = format!("`{from}` makes containers, which only their engine lets us enter");
        checker.find(Code::AccessImpossible, from.clone(), at!["access"], message).hint =
            Some("write `access = \"docker-exec\"`".into());
    }
}

/// What exists already is not made of anything, and is entered from outside.
fn gathered(checker: &mut Checker<'_>, from: &Address, pool: &Pool) {
    let useless = [
        ("docker", pool.docker.is_some()),
        ("image", pool.image.is_some()),
        ("ports", pool.ports.is_some()),
        ("cpu", pool.cpu.is_some()),
        ("memory", pool.memory.is_some()),
        ("pids", pool.pids.is_some()),
        ("moved", !pool.moved.is_empty()),
    ];
    for (field, _) in useless.into_iter().filter(|(_, said)| *said) {
        let hint = "remove it, or say with `replicas` how many machines to make";
        checker.no_use(from, field, "its machines exist already", hint);
    }
    if pool.access == Access::DockerExec {
        let message = format!("`{from}` makes no containers, and its machines have no engine");
        checker.find(Code::AccessImpossible, from.clone(), at!["access"], message).hint =
            Some("write `access = \"ssh\"`, or say with `replicas` how many to make".into());
    }
}

fn cleaning(checker: &mut Checker<'_>, from: &Address, pool: &Pool) {
    let cleaned = pool.cleaned_by();
    let problem = match cleaned {
        Some(Sanitise::Recreate) if !pool.is_made() => Some((
            "its machines exist already, and nobody can make them again",
            "write `sanitise = \"script\"` with a `script`, or remove the line",
        )),
        Some(Sanitise::Rollback) if pool.access != Access::GuestAgent => Some((
            "only virtual machines have snapshots to go back to",
            "write `sanitise = \"script\"` with a `script`",
        )),
        Some(Sanitise::Script) if pool.script.is_none() => Some((
            "there is no script",
            "add `script = \"clean.sh\"`, a path from the spec directory",
        )),
        _ => None,
    };
    if let Some((why, hint)) = problem {
        let message = format!("`{from}` cannot clean its machines so: {why}");
        checker.find(Code::CleaningImpossible, from.clone(), at!["sanitise"], message).hint =
            Some(hint.into());
    }
    let useless = [
        ("script", pool.script.is_some() && cleaned != Some(Sanitise::Script), "script"),
        ("snapshot", pool.snapshot.is_some() && cleaned != Some(Sanitise::Rollback), "rollback"),
    ];
    for (field, _, word) in useless.into_iter().filter(|(_, useless, _)| *useless) {
        let hint = format!("write `sanitise = \"{word}\"`, or remove it");
        checker.no_use(from, field, "its machines are cleaned otherwise", &hint);
    }
    if pool.verify.is_some() && cleaned.is_none() {
        let hint = "say how with `sanitise`, or remove it";
        checker.no_use(from, "verify", "its machines are not cleaned", hint);
    }
}

/// A machine that a pool makes, now or one day, shares its name with no entry: neither as a machine
/// nor as a container of the engine.
fn own_name(checker: &mut Checker<'_>, from: Address) {
    let Some((pool, ..)) = checker.specs.made_by(from.name()) else { return };
    let pool = Address::new(Kind::Pool, pool);
    let message = format!("`{from}` is called as a machine that `{pool}` makes");
    let finding = checker.find(Code::MachineNameTaken, from, Vec::new(), message);
    finding.also(pool.clone(), Vec::new(), "makes machines of such names");
    finding.hint = Some(format!("name it otherwise: those of `{pool}` end in `-` and a number"));
}

fn machine(checker: &mut Checker<'_>, from: &Address, machine: &Machine) {
    let Some(pool) = checker.specs.pool.get(&machine.pool) else { return };
    if pool.is_made() {
        let address = Address::new(Kind::Pool, &*machine.pool);
        let message = format!("`{from}` belongs to `{address}`, which makes its machines itself");
        let finding = checker.find(Code::PoolMakesItsOwn, from.clone(), at!["pool"], message);
        finding.also(address, at!["replicas"], "so many are made");
        finding.hint = Some("declare a pool of its own for what exists already".into());
        return;
    }
    match pool.access {
        Access::Ssh => by_ssh(checker, from, machine),
        Access::GuestAgent => by_guest_agent(checker, from, machine),
        // The pool is told that this cannot be.
        Access::DockerExec => {}
    }
}

fn by_ssh(checker: &mut Checker<'_>, from: &Address, machine: &Machine) {
    if machine.host_key.is_none() {
        let message = format!("`{from}` is reached over ssh and has no `host_key`");
        checker.find(Code::NoHostKey, from.clone(), Vec::new(), message).hint = Some(format!(
            "add `host_key = \"SHA256:…\"` with what `ssh-keygen -lf \
             /etc/ssh/ssh_host_ed25519_key.pub` shows on `{}`",
            machine.host
        ));
    }
    let problem: Option<(&[Step], &str, &str)> = match (&machine.key, &machine.password) {
        (Some(_), Some(_)) => Some((
            &at!["password"],
            "has a `key` and a `password`, and one of them opens it",
            "keep the key",
        )),
        (None, None) => Some((
            &[],
            "has neither `key` nor `password`",
            "add `key = \"secret://file/…\"`, a private key that may log in",
        )),
        (Some(_), None) | (None, Some(_)) => None,
    };
    if let Some((path, why, hint)) = problem {
        checker.find(Code::NoWayIn, from.clone(), path, format!("`{from}` {why}")).hint =
            Some(hint.into());
    }
    if !is_user(&machine.user) {
        let message = format!("`{from}` has user `{}`, a name that no system takes", machine.user);
        checker.find(Code::MalformedUser, from.clone(), at!["user"], message);
    } else if machine.user != "root" && !machine.sudo {
        let message =
            format!("`{from}` is entered as `{}`, who cannot make accounts", machine.user);
        checker.find(Code::NoWayIn, from.clone(), at!["user"], message).hint = Some(
            "add `sudo = true` if `sudo -n` lets that user do everything, or use `root`".into(),
        );
    }
    let guest = [("proxmox", machine.proxmox.is_some()), ("vmid", machine.vmid.is_some())];
    no_use_in_pool(checker, from, machine, &guest, "is entered over ssh");
}

fn by_guest_agent(checker: &mut Checker<'_>, from: &Address, machine: &Machine) {
    let lacks = match (&machine.proxmox, machine.vmid) {
        (Some(_), Some(_)) => None,
        (None, _) => Some(("proxmox", "add `proxmox = \"…\"`, the connection it is a guest of")),
        (Some(_), None) => Some(("vmid", "add `vmid = …`, its id on the cluster")),
    };
    if let Some((field, hint)) = lacks {
        let message = format!("`{from}` is entered by its guest agent and has no `{field}`");
        checker.find(Code::NoWayIn, from.clone(), Vec::new(), message).hint = Some(hint.into());
    }
    let login = [
        ("key", machine.key.is_some()),
        ("password", machine.password.is_some()),
        ("user", machine.user != "root"),
        ("sudo", machine.sudo),
    ];
    no_use_in_pool(checker, from, machine, &login, "is entered by the guest agent");
}

fn no_use_in_pool(
    checker: &mut Checker<'_>,
    from: &Address,
    machine: &Machine,
    fields: &[(&'static str, bool)],
    how: &str,
) {
    for (field, _) in fields.iter().filter(|(_, said)| *said) {
        let why = format!("what belongs to `pool.{}` {how}", machine.pool);
        checker.no_use(from, field, &why, "remove it");
    }
}

/// A machine has one entry, or it would be lent twice at a time.
fn once(checker: &mut Checker<'_>) {
    let specs = checker.specs;
    let mut doors: BTreeMap<(&str, u32), &str> = BTreeMap::new();
    let mut guests: BTreeMap<(&str, u32), &str> = BTreeMap::new();
    for (name, machine) in &specs.machine {
        let door = (&*machine.host, u32::from(machine.port));
        let guest = machine.proxmox.as_deref().zip(machine.vmid);
        let found = match guest {
            Some(guest) => guests.insert(guest, name).map(|other| (other, "vmid")),
            None => doors.insert(door, name).map(|other| (other, "host")),
        };
        let Some((other, field)) = found else { continue };
        let (from, other) =
            (Address::new(Kind::Machine, &**name), Address::new(Kind::Machine, other));
        let message = format!("`{from}` and `{other}` are the same machine");
        let finding = checker.find(Code::MachineTwice, from, at![field], message);
        finding.also(other, at![field], "declared here too");
        finding.hint =
            Some("one machine has one entry, or it is lent twice; remove the other".into());
    }
}
