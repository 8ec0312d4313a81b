//! What was declared fits: into quotas, into bridges, into ranges of VLANs.

use std::collections::{BTreeMap, BTreeSet};

use super::{Checker, at};
use crate::kinds::{ContainerOffer, Instance, Quota, VmOffer};
use crate::{Address, ByteSize, Code, Cpu, Kind};

pub(super) fn check(checker: &mut Checker<'_>) {
    quotas(checker);
    supernets(checker);
    vlans(checker);
}

/// What the instances of a tenant need together.
#[derive(Default)]
struct Need {
    instances: u64,
    cpu: u64,
    memory: u64,
    disk: u64,
}

impl Need {
    fn add(&mut self, cpu: u64, memory: ByteSize, disk: Option<ByteSize>) {
        self.instances += 1;
        self.cpu = self.cpu.saturating_add(cpu);
        self.memory = self.memory.saturating_add(memory.bytes());
        self.disk = self.disk.saturating_add(disk.map_or(0, ByteSize::bytes));
    }

    fn add_container(&mut self, offer: &ContainerOffer) {
        self.add(offer.cpu.millis().into(), offer.memory, offer.disk);
    }

    /// A virtual machine has the least of what it does not ask for.
    fn add_guest(&mut self, offer: &VmOffer, instance: &Instance) {
        let cores = u64::from(instance.cpu.unwrap_or(offer.cpu.min));
        let memory = instance.memory.unwrap_or(offer.memory.min);
        let disk = instance.disk.unwrap_or(offer.disk.min);
        self.add(cores.saturating_mul(1000), memory, Some(disk));
    }
}

fn quotas(checker: &mut Checker<'_>) {
    let specs = checker.specs;
    let mut needs: BTreeMap<&str, Need> = BTreeMap::new();
    for (name, instance) in &specs.instance {
        let Some((tenant, _)) = name.split_once('/') else { continue };
        let Some(offer) = specs.offer.get(&instance.offer) else { continue };
        let need = needs.entry(tenant).or_default();
        match (&offer.container, &offer.vm) {
            (Some(container), _) => need.add_container(container),
            (None, Some(vm)) => need.add_guest(vm, instance),
            (None, None) => {}
        }
    }
    for (tenant, need) in needs {
        let quota = specs.tenant.get(tenant).and_then(|tenant| tenant.quota.as_ref());
        let Some((name, quota)) = quota.and_then(|name| specs.quota.get_key_value(name)) else {
            continue;
        };
        for limit in limits(&need, quota) {
            let Some(allowed) = limit.allowed.filter(|allowed| limit.need > *allowed) else {
                continue;
            };
            let from = Address::new(Kind::Tenant, tenant);
            let message = format!(
                "the specs give `{from}` {}, and `quota.{name}` allows {}",
                (limit.show)(limit.need),
                (limit.show)(allowed)
            );
            let finding = checker.find(Code::QuotaExceeded, from, at!["quota"], message);
            let quota = Address::new(Kind::Quota, &**name);
            finding.also(quota, at![limit.field], "allowed here");
            finding.hint = Some("raise the quota or remove instances".into());
        }
    }
}

/// One line of a quota beside what is needed.
struct Limit {
    field: &'static str,
    need: u64,
    allowed: Option<u64>,
    show: fn(u64) -> String,
}

fn limits(need: &Need, quota: &Quota) -> [Limit; 4] {
    [
        Limit {
            field: "instances",
            need: need.instances,
            allowed: quota.instances.map(u64::from),
            show: |count| format!("{count} instances"),
        },
        Limit {
            field: "cpu",
            need: need.cpu,
            allowed: quota.cpu.map(|cpu| cpu.millis().into()),
            show: |millis| {
                format!("{} cores", Cpu::from_millis(u32::try_from(millis).unwrap_or(u32::MAX)))
            },
        },
        Limit {
            field: "memory",
            need: need.memory,
            allowed: quota.memory.map(ByteSize::bytes),
            show: |bytes| format!("{} of memory", ByteSize::from_bytes(bytes)),
        },
        Limit {
            field: "disk",
            need: need.disk,
            allowed: quota.disk.map(ByteSize::bytes),
            show: |bytes| format!("{} of disk", ByteSize::from_bytes(bytes)),
        },
    ]
}

/// Each tenant with an instance that may come to a host finds a network there.
fn supernets(checker: &mut Checker<'_>) {
    let specs = checker.specs;
    let mut tenants: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, instance) in &specs.instance {
        let Some(offer) = specs.offer.get(&instance.offer) else { continue };
        if offer.container.is_none() {
            continue;
        }
        // With a choice of hosts, another one may have room.
        if let ([host], Some((tenant, _))) = (
            specs.dockers_for(offer, instance.location.as_deref()).as_slice(),
            name.split_once('/'),
        ) {
            tenants.entry(*host).or_default().insert(tenant);
        }
    }
    for (name, bridge) in &specs.bridge {
        let prefix = bridge.supernet.net().prefix_len();
        let Some(bits) = bridge.per_tenant_prefix.checked_sub(prefix) else { continue };
        let room = 1_u64 << bits;
        let needed = tenants.get(bridge.docker.as_str()).map_or(0, BTreeSet::len) as u64;
        if needed > room {
            let from = Address::new(Kind::Bridge, &**name);
            let message = format!(
                "`{from}` has room for {room} networks of /{} in `{}`, and {needed} tenants need one",
                bridge.per_tenant_prefix, bridge.supernet
            );
            let wider = wider(bridge.per_tenant_prefix, needed);
            checker.find(Code::SupernetExhausted, from, at!["supernet"], message).hint =
                Some(format!("make the supernet larger (/{wider}) or `per_tenant_prefix` longer"));
        }
    }
}

/// As [`supernets`], of virtual machines: a tenant needs a tag and a subnet on a cluster.
fn vlans(checker: &mut Checker<'_>) {
    let specs = checker.specs;
    let mut tenants: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, instance) in &specs.instance {
        let Some(offer) = specs.offer.get(&instance.offer).filter(|offer| offer.vm.is_some())
        else {
            continue;
        };
        let image = specs.image_of(instance, offer).and_then(|name| specs.image.get(name));
        let Some(image) = image.and_then(|image| image.vm.as_ref()) else { continue };
        // With a choice of clusters, another one may have room.
        if let ([cluster], Some((tenant, _))) = (
            specs.proxmoxes_for(offer, image, instance.location.as_deref()).as_slice(),
            name.split_once('/'),
        ) {
            tenants.entry(*cluster).or_default().insert(tenant);
        }
    }
    for (name, range) in &specs.vlan_range {
        let needed = tenants.get(range.proxmox.as_str()).map_or(0, BTreeSet::len) as u64;
        let prefix = range.supernet.net().prefix_len();
        let Some(bits) = range.per_tenant_prefix.checked_sub(prefix) else { continue };
        let (tags, subnets) = (u64::from(range.ids.count()), 1_u64 << bits);
        let from = Address::new(Kind::VlanRange, &**name);
        if needed > tags {
            let message = format!("`{from}` has {tags} tags, and {needed} tenants need one");
            checker.find(Code::VlansExhausted, from.clone(), at!["ids"], message).hint =
                Some("make `ids` longer".into());
        }
        if needed > subnets {
            let message = format!(
                "`{from}` has room for {subnets} networks of /{} in `{}`, and {needed} tenants need one",
                range.per_tenant_prefix, range.supernet
            );
            let wider = wider(range.per_tenant_prefix, needed);
            checker.find(Code::VlansExhausted, from, at!["supernet"], message).hint =
                Some(format!("make the supernet larger (/{wider}) or `per_tenant_prefix` longer"));
        }
    }
}

/// The prefix of a supernet that has room for so many networks.
fn wider(prefix: u8, needed: u64) -> u8 {
    prefix.saturating_sub(u8::try_from(needed.next_power_of_two().ilog2()).unwrap_or(u8::MAX))
}
