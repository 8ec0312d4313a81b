//! From how a guest shall look to what is written: only what differs.

use std::collections::BTreeSet;

use lessor_engine::ApplyError;
use lessor_plans::GuestBody;

use super::client::{Form, GuestKind};
use super::error::refused;
use super::observe::TAG;
use super::property::text::{ssh_keys, tags, tags_text};
use super::property::{Property, PropertyError, Shape};
use super::read::{address, card_of, cores, described, flag, kept_by, keys, mac_key, memory_mib};
use super::values::Values;
use super::whose::Seen;

/// Where a drive for cloud-init is put: the first of these that is free.
const DRIVES: [&str; 8] = ["ide2", "ide0", "ide1", "ide3", "sata5", "sata4", "sata3", "sata2"];

/// What a machine reads when it starts, and takes over without a word of it still waiting. Whoever
/// is interrupted between writing one of these and the restart would never notice: so such a
/// machine is stopped before.
const READ_AT_START: [&str; 4] = ["name", "ipconfig0", "ciuser", "sshkeys"];

/// Values that shall be other than they are.
#[derive(Debug, Default)]
pub(super) struct Edit {
    set: Vec<(&'static str, String)>,
    gone: Vec<&'static str>,
}

impl Edit {
    pub(super) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.gone.is_empty()
    }

    /// Whether a machine that runs is to be stopped first.
    pub(super) fn wants_it_stopped(&self) -> bool {
        self.keys().any(|key| READ_AT_START.contains(&key) || DRIVES.contains(&key))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.set.iter().map(|(key, _)| *key).chain(self.gone.iter().copied())
    }

    pub(super) fn form(&self) -> Form {
        let set = |form: Form, (key, value): &(&'static str, String)| form.with(*key, value);
        let form = self.set.iter().fold(Form::new(), set);
        let gone = (!self.gone.is_empty()).then(|| self.gone.join(","));
        form.with_some("delete", gone)
    }

    fn set(&mut self, key: &'static str, value: &(impl ToString + ?Sized)) {
        self.set.push((key, value.to_string()));
    }

    /// Sets what is wanted and removes what is not, where either differs from what will be.
    fn text(&mut self, key: &'static str, to_be: Option<&str>, wanted: Option<&str>) {
        match wanted {
            Some(wanted) if to_be != Some(wanted) => self.set(key, wanted),
            None if to_be.is_some() => self.gone.push(key),
            _ => {}
        }
    }
}

/// What of a guest has to be written.
///
/// # Errors
/// When what is wished cannot be written at all.
pub(super) fn edit(wish: &GuestBody, seen: &Seen) -> Result<Edit, ApplyError> {
    let (kind, values) = (seen.guest.kind, &seen.values);
    let mut edit = Edit::default();
    edit.text(kind.name_key(), values.to_be(kind.name_key()), Some(&wish.hostname));
    if cores(kind, |key| values.to_be(key)) != wish.cpu {
        edit.set("cores", &wish.cpu);
        if kind == GuestKind::Qemu {
            edit.set("sockets", &1);
        }
    }
    memory(&mut edit, wish, kind, values)?;
    if flag(values.to_be("onboot")) != wish.on_boot {
        edit.set("onboot", &u8::from(wish.on_boot));
    }
    let there = values.to_be("tags").map(|text| tags(text, false)).unwrap_or_default();
    if there != wish.tags {
        let text = tags_text(&wish.tags);
        edit.text("tags", values.to_be("tags"), text.as_deref());
    }
    if let Some(text) = kept_by(values.description(), wish.kept_until) {
        edit.set("description", &text);
    }
    network(&mut edit, wish, kind, values).map_err(|error| unfit(wish, &error))?;
    if kind == GuestKind::Qemu {
        cloud_init(&mut edit, wish, values).map_err(|error| unfit(wish, &error))?;
    }
    Ok(edit)
}

/// Our mark on a guest that others made, with the tag by which it is found whatever its id: before
/// what people wrote about it, and before anything else of it is changed.
pub(super) fn marking(wish: &GuestBody, seen: &Seen) -> Edit {
    let mut edit = Edit::default();
    let (values, mark) = (&seen.values, seen.mark.to_line());
    let told = described(&mark, &wish.made_from.image);
    edit.set("description", format!("{told}\n{}", values.description()).trim_end());
    let mut there = values.to_be("tags").map(|text| tags(text, false)).unwrap_or_default();
    there.insert(TAG.to_owned());
    edit.text("tags", values.to_be("tags"), tags_text(&there).as_deref());
    edit
}

fn memory(
    edit: &mut Edit,
    wish: &GuestBody,
    kind: GuestKind,
    values: &Values,
) -> Result<(), ApplyError> {
    let bytes = wish.memory.bytes();
    if !bytes.is_multiple_of(1 << 20) {
        let why = format!("guest `{}` cannot have {} of memory", wish.name, wish.memory);
        return Err(refused(why, "Proxmox VE gives memory in MiB: ask for a whole number of them"));
    }
    let mib = bytes >> 20;
    if memory_mib(values.to_be("memory")) != mib {
        edit.set("memory", &mib);
    }
    // A template may give back more than its copy has at all.
    let kept = values.to_be("balloon").and_then(|text| text.parse::<u64>().ok());
    if kind == GuestKind::Qemu && kept.is_some_and(|kept| kept > mib) {
        edit.set("balloon", &mib);
    }
    Ok(())
}

fn network(
    edit: &mut Edit,
    wish: &GuestBody,
    kind: GuestKind,
    values: &Values,
) -> Result<(), PropertyError> {
    let there = card_of(kind, values.to_be("net0"));
    let network = &wish.network;
    let mut card = there.clone();
    let (key, default) = match kind {
        GuestKind::Qemu => ("model", "virtio"),
        GuestKind::Lxc => ("name", "eth0"),
    };
    if card.get(key).is_none() {
        card = card.with(key, default)?;
    }
    card = card.with(mac_key(kind), &network.mac)?.with("bridge", &network.bridge)?;
    card = match network.tag {
        Some(tag) => card.with("tag", tag)?,
        None => card.without("tag"),
    };
    if wish.firewall.is_some() {
        card = card.with("firewall", 1)?;
    }
    if kind == GuestKind::Lxc {
        card = match &wish.cloud_init {
            Some(wish) => card
                .with("ip", format!("{}/{}", wish.address, wish.prefix))?
                .with("gw", wish.gateway)?,
            None if network.dhcp => card.with("ip", "dhcp")?.without("gw"),
            None if address(&card).is_some() => card.without("ip").without("gw"),
            None => card,
        };
    }
    if !card.differences(&there).is_empty() {
        edit.set("net0", &card);
    }
    Ok(())
}

fn cloud_init(edit: &mut Edit, wish: &GuestBody, values: &Values) -> Result<(), PropertyError> {
    let text = values.to_be("ipconfig0");
    let there = text.map(|text| Property::parse(Shape::IpConfig, text)).transpose()?;
    let there = there.unwrap_or_else(|| Property::new(Shape::IpConfig));
    let Some(cloud_init) = &wish.cloud_init else {
        if address(&there).is_some() {
            edit.gone.push("ipconfig0");
        }
        return Ok(());
    };
    let wanted = { there.clone() }
        .with("ip", format!("{}/{}", cloud_init.address, cloud_init.prefix))?
        .with("gw", cloud_init.gateway)?;
    if !wanted.differences(&there).is_empty() {
        edit.set("ipconfig0", &wanted);
    }
    edit.text("ciuser", values.to_be("ciuser"), cloud_init.user.as_deref());
    if keys(values.to_be("sshkeys")) != cloud_init.keys {
        edit.text("sshkeys", values.to_be("sshkeys"), lines(&cloud_init.keys).as_deref());
    }
    if !values.has_cloud_init_drive()
        && let Some(place) = DRIVES.into_iter().find(|place| values.to_be(place).is_none())
    {
        let storage = wish.made_from.storage.as_deref().or_else(|| values.storages().next());
        edit.set(place, &format!("{}:cloudinit", storage.unwrap_or_default()));
    }
    Ok(())
}

fn lines(keys: &BTreeSet<String>) -> Option<String> {
    let lines: Vec<&str> = keys.iter().map(String::as_str).collect();
    (!lines.is_empty()).then(|| ssh_keys(&lines.join("\n")))
}

fn unfit(wish: &GuestBody, error: &PropertyError) -> ApplyError {
    ApplyError::Refused { why: format!("guest `{}` cannot be so: {error}", wish.name), hint: None }
}
