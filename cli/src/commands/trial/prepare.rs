//! What an administrator does before anybody can be given a machine: shared storage and templates on
//! clusters, and WireGuard switched on at firewalls that have tunnels.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context as _;
use lessor_providers::https::{Https, Trust};
use lessor_providers::pfsense::{self, Credentials, WireGuard};
use lessor_providers::proxmox::client::{Client, Form, GuestKind, Login};
use lessor_specs::kinds::Proxmox;
use lessor_specs::{Address, Kind, Specs};
use secrecy::SecretString;
use serde_json::Value;

use super::ground::Ground;

/// How long one task of a pretend cluster may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Prepares every system behind `specs`.
pub(super) async fn prepare(specs: &Specs, ground: &Ground) -> anyhow::Result<()> {
    clusters(specs, ground).await?;
    firewalls(specs, ground).await
}

async fn firewalls(specs: &Specs, ground: &Ground) -> anyhow::Result<()> {
    let named = specs.vpn.values().filter_map(|vpn| specs.pfsense_of(vpn.pfsense.as_deref()));
    for name in named.collect::<BTreeSet<_>>() {
        let place = Address::new(Kind::PfSense, name);
        let access =
            ground.at(&place).with_context(|| format!("nothing pretends to be `{place}`"))?;
        let https = Https::new(&access.endpoint, &Trust::Pinned(access.fingerprint.parse()?))?;
        let key = Credentials::Key(SecretString::from(access.token.clone()));
        let firewall = pfsense::Client::new(https, key);
        firewall.wireguard_set(WireGuard { enable: true }).await?;
    }
    Ok(())
}

async fn clusters(specs: &Specs, ground: &Ground) -> anyhow::Result<()> {
    for (name, proxmox) in &specs.proxmox {
        let place = Address::new(Kind::Proxmox, &**name);
        let access =
            ground.at(&place).with_context(|| format!("nothing pretends to be `{place}`"))?;
        let trust = Trust::Pinned(access.fingerprint.parse()?);
        let token = SecretString::from(access.token.clone());
        let client = Client::new(&access.endpoint, &trust, Login::token(&token)?)?;
        let cluster = Cluster { client, proxmox, bridge: bridge(specs, name) };
        cluster.share_storage().await?;
        for (id, template) in templates(specs, name) {
            let made = cluster.template(id, &template).await;
            made.with_context(|| format!("could not make template {id} on `{place}`"))?;
        }
    }
    Ok(())
}

/// A template: what it is called, and whether it makes LXC containers.
struct Template {
    name: String,
    lxc: bool,
}

fn templates(specs: &Specs, cluster: &str) -> BTreeMap<u32, Template> {
    let images = specs.image.iter().filter_map(|(name, image)| Some((name, image.vm.as_ref()?)));
    images
        .filter_map(|(name, vm)| {
            let name = name.replace('.', "-");
            Some((*vm.template.get(cluster)?, Template { name, lxc: vm.lxc }))
        })
        .collect()
}

fn bridge(specs: &Specs, cluster: &str) -> String {
    let range = specs.vlan_range_on(cluster).and_then(|(_, range)| range.bridge.clone());
    range.unwrap_or_else(|| "vmbr0".to_owned())
}

struct Cluster<'s> {
    client: Client,
    proxmox: &'s Proxmox,
    bridge: String,
}

impl Cluster<'_> {
    /// The storage of the entry, readable from every node, unless there is one of that name.
    async fn share_storage(&self) -> anyhow::Result<()> {
        let storage = &self.proxmox.storage;
        let known = self.client.storages(&self.proxmox.nodes[0]).await?;
        if known.iter().any(|known| known.name == *storage) {
            return Ok(());
        }
        let form = Form::new()
            .with("storage", storage)
            .with("type", "dir")
            .with("path", format!("/mnt/pve/{storage}"))
            .with("content", "images,rootdir")
            .with("shared", 1);
        self.client.post::<Value>(&["storage"], &form).await?;
        Ok(())
    }

    async fn template(&self, id: u32, template: &Template) -> anyhow::Result<()> {
        let node = self.proxmox.nodes[0].as_str();
        let kind = if template.lxc { GuestKind::Lxc } else { GuestKind::Qemu };
        let form = match kind {
            GuestKind::Qemu => self.machine(id, &template.name),
            GuestKind::Lxc => self.container(id, &template.name, node).await?,
        };
        let task = self.client.guest_create(node, kind, &form).await?;
        self.client.task_wait(Some(&task), PATIENCE).await?;
        let path = ["nodes", node, kind.as_str(), &id.to_string(), "template"];
        // A container becomes one at once; a machine takes a task.
        let task = self.client.post::<Option<_>>(&path, &Form::new()).await?;
        self.client.task_wait(task.as_ref(), PATIENCE).await?;
        Ok(())
    }

    fn machine(&self, id: u32, name: &str) -> Form {
        let storage = &self.proxmox.storage;
        Form::new()
            .with("vmid", id)
            .with("name", name)
            .with("ostype", "l26")
            .with("cores", 1)
            .with("memory", 512)
            .with("scsihw", "virtio-scsi-single")
            .with("scsi0", format!("{storage}:2"))
            .with("ide2", format!("{storage}:cloudinit"))
            .with("boot", "order=scsi0")
            .with("net0", format!("virtio,bridge={}", self.bridge))
    }

    async fn container(&self, id: u32, name: &str, node: &str) -> anyhow::Result<Form> {
        let storage = &self.proxmox.storage;
        let archives = self.client.storage_content(node, "local", Some("vztmpl"), None).await?;
        let archive = archives.first().context("`local` holds no archive of a container")?;
        Ok(Form::new()
            .with("vmid", id)
            .with("hostname", name)
            .with("ostemplate", &archive.id)
            .with("rootfs", format!("{storage}:1"))
            .with("memory", 256)
            .with("unprivileged", 1)
            .with("net0", format!("name=eth0,bridge={}", self.bridge)))
    }
}
