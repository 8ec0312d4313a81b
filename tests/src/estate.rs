//! Random specs that are always valid.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

/// A tree of specs as data, so that it can be changed and written out.
#[derive(Clone, Debug, Default)]
pub struct Estate {
    /// Networks: whether each has a subnet, and under which old names it was known.
    pub networks: BTreeMap<String, (bool, Vec<String>)>,
    /// Volumes: the old names.
    pub volumes: BTreeMap<String, Vec<String>>,
    /// Containers.
    pub containers: BTreeMap<String, Box_>,
    /// Instances by tenant.
    pub instances: BTreeSet<(u8, u8)>,
    /// Pools of machines that we make: how many, of which image, and the old names.
    pub pools: BTreeMap<String, (u8, u8, Vec<String>)>,
    /// Ends every name.
    suffix: String,
    /// Whether every entry adopts the thing of its name.
    adopts: bool,
}

/// A container.
#[derive(Clone, Debug, Default)]
pub struct Box_ {
    image: u8,
    memory: Option<u8>,
    env: Option<u8>,
    port: Option<u8>,
    networks: Vec<u8>,
    volumes: Vec<u8>,
    needs: Vec<u8>,
    moved: Vec<String>,
}

/// Names are few, so that two random trees share some.
const NAMES: u8 = 6;

/// Any estate.
pub fn estate(with_instances: bool) -> impl Strategy<Value = Estate> {
    let instances = if with_instances { 0..6_usize } else { 0..1 };
    let pools = if with_instances { 0..3_usize } else { 0..1 };
    (
        btree_map(0..NAMES, any::<bool>(), 0..4),
        btree_set(0..NAMES, 0..4),
        btree_map(0..NAMES, container(), 0..6),
        btree_set((0..3_u8, 0..3_u8), instances),
        btree_map(0..2_u8, (0..5_u8, 0..2_u8), pools),
    )
        .prop_map(|(networks, volumes, containers, instances, pools)| Estate {
            networks: networks
                .into_iter()
                .map(|(n, s)| (format!("n{n}"), (s, Vec::new())))
                .collect(),
            volumes: volumes.into_iter().map(|n| (format!("v{n}"), Vec::new())).collect(),
            containers: containers.into_iter().map(|(n, c)| (format!("c{n}"), c)).collect(),
            instances,
            pools: pools
                .into_iter()
                .map(|(n, (count, image))| (format!("p{n}"), (count, image, Vec::new())))
                .collect(),
            suffix: String::new(),
            adopts: false,
        })
}

fn container() -> impl Strategy<Value = Box_> {
    let few = || vec(0..NAMES, 0..3);
    let some = || proptest::option::of(0..3_u8);
    (0..2_u8, some(), some(), proptest::option::of(0..4_u8), few(), few(), few()).prop_map(
        |(image, memory, env, port, networks, volumes, needs)| Box_ {
            image,
            memory,
            env,
            port,
            networks,
            volumes,
            needs,
            moved: Vec::new(),
        },
    )
}

impl Estate {
    /// As the text of one spec file.
    pub fn to_toml(&self) -> String {
        self.to_entries().concat()
    }

    /// Entry by entry, to be put into files in any way.
    pub fn to_entries(&self) -> Vec<String> {
        let mut entries = vec!["[docker.local]\nendpoint = \"memory:\"\n".to_owned()];
        for (index, (name, (subnet, moved))) in self.networks.iter().enumerate() {
            let mut entry = format!("[network.{name}]\n");
            if *subnet {
                let _ = writeln!(entry, "subnet = \"10.9.{index}.0/24\"");
            }
            entries.push(entry + &self.last_lines("network", name, moved));
        }
        for (name, moved) in &self.volumes {
            entries.push(format!("[volume.{name}]\n{}", self.last_lines("volume", name, moved)));
        }
        let mut ports = BTreeSet::new();
        for (name, container) in &self.containers {
            entries.push(self.container(name, container, &mut ports));
        }
        entries.extend(self.rent());
        entries.extend(self.pools.iter().map(|(name, pool)| Estate::pool(name, pool)));
        if !self.pools.is_empty() {
            entries.extend(
                (0..2)
                    .map(|image| format!("[image.lab{image}.container]\nref = \"lab:{image}\"\n")),
            );
        }
        entries
    }

    fn pool(name: &str, (count, image, moved): &(u8, u8, Vec<String>)) -> String {
        let first = if name.starts_with("p0") { 7000 } else { 7100 };
        let ports = format!("{first}-{}", first + 9);
        format!(
            "[pool.{name}]\nimage = \"lab{image}\"\nreplicas = {count}\nports = \"{ports}\"\n\
             access = \"docker-exec\"\nmoved = {:?}\n",
            moved.iter().map(|name| format!("pool.{name}")).collect::<Vec<_>>()
        )
    }

    fn container(&self, name: &str, container: &Box_, ports: &mut BTreeSet<u8>) -> String {
        let mut entry = format!("[container.{name}]\nimage = \"image:{}\"\n", container.image);
        if let Some(memory) = container.memory {
            let _ = writeln!(entry, "memory = \"{}MiB\"", 64 << memory);
        }
        if let Some(env) = container.env {
            let _ = writeln!(entry, "env = {{ LEVEL = \"{env}\" }}");
        }
        // The first to ask gets the port.
        if let Some(port) = container.port.filter(|port| ports.insert(*port)) {
            let _ = writeln!(
                entry,
                "ports = [{{ host = {}, container = 80 }}]",
                8000 + u16::from(port)
            );
        }
        let known = |prefix: char, numbers: &[u8], is_known: &dyn Fn(&str) -> bool| {
            let names = numbers.iter().map(|n| format!("{prefix}{n}{}", self.suffix));
            names.filter(|name| is_known(name)).collect::<BTreeSet<String>>()
        };
        let networks = known('n', &container.networks, &|n| self.networks.contains_key(n));
        let _ = writeln!(entry, "networks = {:?}", networks.iter().collect::<Vec<_>>());
        let volumes = known('v', &container.volumes, &|n| self.volumes.contains_key(n));
        let mounts: Vec<_> = volumes
            .iter()
            .map(|v| format!("{{ volume = \"{v}\", path = \"/{}\" }}", &v[..2]))
            .collect();
        let _ = writeln!(entry, "volumes = [{}]", mounts.join(", "));
        // Only what comes before it by name, so that nothing waits for itself.
        let needs = known('c', &container.needs, &|n| n < name && self.containers.contains_key(n));
        let needs: Vec<_> = needs.iter().map(|name| format!("container.{name}")).collect();
        let _ = writeln!(entry, "depends_on = {needs:?}");
        entry + &self.last_lines("container", name, &container.moved)
    }

    fn rent(&self) -> Vec<String> {
        if self.instances.is_empty() {
            return Vec::new();
        }
        let mut entries = vec![
            "[port_range.games]\ndocker = \"local\"\nrange = \"9000-9099\"\n".to_owned(),
            "[bridge.tenants]\ndocker = \"local\"\nsupernet = \"10.64.0.0/16\"\nper_tenant_prefix = 28\n".to_owned(),
            "[image.game.container]\nref = \"game:1\"\n".to_owned(),
            "[offer.small]\nimages = [\"game\"]\nprice = {}\n[offer.small.container]\ncpu = \"1\"\nmemory = \"64MiB\"\ndisk = \"1GiB\"\nports = [{ range = \"games\", container = 25565 }]\n".to_owned(),
        ];
        let tenants: BTreeSet<_> = self.instances.iter().map(|(tenant, _)| tenant).collect();
        entries.extend(tenants.into_iter().map(|tenant| format!("[tenant.t{tenant}]\n")));
        entries.extend(
            self.instances
                .iter()
                .map(|(t, n)| format!("[instance.\"t{t}/i{n}\"]\noffer = \"small\"\n")),
        );
        entries
    }

    fn last_lines(&self, kind: &str, name: &str, moved: &[String]) -> String {
        let moved: Vec<_> = moved.iter().map(|name| format!("{kind}.{name}")).collect();
        let adopted = if self.adopts { format!("adopted = \"{name}\"\n") } else { String::new() };
        format!("moved = {moved:?}\n{adopted}")
    }

    /// The same entries, each for the thing of its name that is there already.
    #[must_use]
    pub fn adopting(&self) -> Estate {
        Estate { adopts: true, ..self.clone() }
    }

    /// The same things, each under another name.
    #[must_use]
    pub fn renamed(&self) -> Estate {
        let mut renamed = self.clone();
        renamed.suffix.push_str("-new");
        let map = |name: String, old: &mut Vec<String>| {
            let new = format!("{name}-new");
            old.push(name);
            new
        };
        renamed.networks = std::mem::take(&mut renamed.networks)
            .into_iter()
            .map(|(name, (subnet, mut old))| (map(name, &mut old), (subnet, old)))
            .collect();
        renamed.volumes = std::mem::take(&mut renamed.volumes)
            .into_iter()
            .map(|(name, mut old)| (map(name, &mut old), old))
            .collect();
        renamed.containers = std::mem::take(&mut renamed.containers)
            .into_iter()
            .map(|(name, mut container)| (map(name, &mut container.moved), container))
            .collect();
        renamed.pools = std::mem::take(&mut renamed.pools)
            .into_iter()
            .map(|(name, (count, image, mut old))| (map(name, &mut old), (count, image, old)))
            .collect();
        renamed
    }
}
