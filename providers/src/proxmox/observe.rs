//! Looking at everything of ours, by listing: a few calls about the cluster, two for each node, and
//! one for each guest of ours and each template.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join, join_all, join5};
use futures_util::{StreamExt, stream};
use lessor_engine::Wanting;
use lessor_plans::{
    Body, Gap, Hold, Mark, MarkError, Node, Observation, Oddity, PoolBody, Stranger, Template,
    Wanted,
};
use lessor_specs::{Address, ByteSize};

use super::client::{CallError, Client, Guest, GuestKind, GuestListed, Permissions, Resource};
use super::property::text::tags;
use super::rules::Filter;
use super::values::{Values, size};
use super::whose::{Seen, making, mark_of, present, unmade};
use super::{Proxmox, client, pool, vnet};
use crate::seen::{adopted_mark, insert, insert_unknown, why_not};

/// The tag that tells guests of ours outside of the range of ids.
pub(super) const TAG: &str = "lessor";

/// How many guests are looked at at the same time; each node answers a few of these at once.
const AT_ONCE: usize = 16;

/// Without these, lists lack what they should hold, and nobody says so.
const SIGHT: [(&str, &str); 3] =
    [("/vms", "VM.Audit"), ("/pool", "Pool.Audit"), ("/nodes", "Sys.Audit")];

/// Everything of ours, and what of others has an id of ours.
pub(super) async fn observe(
    proxmox: &Proxmox,
    client: &Client,
    wanted: Wanting<'_>,
) -> Observation {
    // It tells who answers, and so who is busy; what it says is in other answers, too.
    let members = client.cluster_status();
    let cluster = join5(
        members,
        client.nodes(),
        client.cluster_resources(None),
        client.pools(),
        client.permissions(),
    );
    let ((_, nodes, resources, pools, permissions), wanted) = join(cluster, wanted).await;
    let (nodes, resources) = match (nodes, resources) {
        (Ok(nodes), Ok(resources)) => (nodes, resources),
        (Err(error), _) | (_, Err(error)) => {
            let hint = error.hint();
            return Observation::unreachable(proxmox.place.clone(), error.to_string(), hint);
        }
    };
    let seen = Observation::default();
    let mut look = Look { proxmox, client, resources, adopting: adopting(&wanted), seen };
    look.permissions(permissions);
    look.pools(pools);
    look.guests(nodes).await;
    look.vnets().await;
    look.seen
}

struct Look<'l> {
    proxmox: &'l Proxmox,
    client: &'l Client,
    resources: Vec<Resource>,
    /// The entries that adopt guests, by their ids.
    adopting: BTreeMap<u32, &'l Address>,
    seen: Observation,
}

/// The entries that adopt guests, by their ids.
fn adopting(wanted: &[Wanted]) -> BTreeMap<u32, &Address> {
    let adopts = |wanted: &'_ Wanted| wanted.adopted.as_ref()?.as_str().parse().ok();
    wanted.iter().filter_map(|wanted| Some((adopts(wanted)?, &wanted.address))).collect()
}

/// A guest in a list, and where.
#[derive(Clone)]
struct Listed {
    guest: Guest,
    /// What its node says of it; `None` when only the cluster knows it.
    row: Option<GuestListed>,
}

impl Look<'_> {
    fn permissions(&mut self, held: Result<Permissions, CallError>) {
        let held = match held {
            Ok(held) => held,
            Err(error) => return self.gap("what we may see", &error),
        };
        let zones = self
            .proxmox
            .networks
            .zones
            .iter()
            .map(|zone| (format!("/sdn/zones/{zone}"), "SDN.Audit"));
        let needed = SIGHT.map(|(path, privilege)| (path.to_owned(), privilege));
        for (path, privilege) in needed.into_iter().chain(zones) {
            if !held.has(&path, privilege) {
                self.seen.gaps.push(Gap {
                    place: self.proxmox.place.clone(),
                    what: format!("what is below `{path}`"),
                    why: format!("our token lacks `{privilege}` there, so lists may leave it out"),
                    hint: Some("`lessor doctor --bootstrap proxmox` says what to give it".into()),
                });
            }
        }
    }

    fn pools(&mut self, pools: Result<Vec<client::Pool>, CallError>) {
        let pools = match pools {
            Ok(pools) => pools,
            Err(error) => return self.gap("pools", &error),
        };
        for one in pools {
            let mark = pool::mark_of(self.proxmox, &one);
            let body = Body::Pool(PoolBody { name: one.id });
            self.sort_out("pool", mark, body, true);
        }
    }

    async fn vnets(&mut self) {
        if self.proxmox.networks.zones.is_empty() {
            return;
        }
        let vnets = match self.client.vnets().await {
            Ok(vnets) => vnets,
            Err(error) => return self.gap("networks of zones", &error),
        };
        for one in vnets {
            let is_there =
                vnet::zone(&one).is_some_and(|zone| self.proxmox.networks.zones.contains(&zone));
            let mark = vnet::mark_of(self.proxmox, &one);
            // A name is taken for all zones.
            if is_there || mark.is_ok() {
                self.sort_out("vnet", mark, Body::Vnet(vnet::body(&one)), true);
            } else {
                self.stranger("vnet", &one.name);
            }
        }
    }

    async fn guests(&mut self, nodes: Vec<client::Node>) {
        let listed = self.listed(&nodes).await;
        let candidates: Vec<Listed> =
            listed.values().filter(|one| self.may_be_ours(one)).cloned().collect();
        let templates: Vec<Listed> = { listed.values() }
            .filter(|one| one.row.as_ref().is_some_and(|row| row.template))
            .cloned()
            .collect();
        let (looked, templates) =
            join(self.look_at_all(candidates), self.values_of(templates)).await;
        // What carries our mark goes before what is adopted for the same entry.
        let (marked, adopted): (Vec<_>, Vec<_>) =
            looked.into_iter().partition(|(one, _)| !self.adopting.contains_key(&one.guest.vmid));
        let mut ours = BTreeSet::new();
        for (one, looked) in marked.into_iter().chain(adopted) {
            let vmid = one.guest.vmid;
            match looked {
                Ok(Some(found)) => {
                    if self.guest(found) {
                        ours.insert(vmid);
                    }
                }
                Ok(None) => {}
                Err(error) => self.gap(&format!("guest `{vmid}`"), &error),
            }
        }
        for (one, values) in templates {
            match values {
                Ok(Some(values)) => {
                    let template = self.template(&one.guest, &values);
                    self.seen.templates.insert(one.guest.vmid, template);
                }
                Ok(None) => {}
                Err(error) => self.gap(&format!("template `{}`", one.guest.vmid), &error),
            }
        }
        self.seen.nodes = nodes.into_iter().map(|one| node(one, &listed, &ours)).collect();
        self.seen.nodes.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// Every guest of the cluster, by id: what nodes say, and what they leave out.
    async fn listed(&mut self, nodes: &[client::Node]) -> BTreeMap<u32, Listed> {
        let client = self.client;
        let ask = |node: &client::Node, kind: GuestKind| {
            let node = node.name.clone();
            async move {
                let rows = client.guests(&node, kind).await;
                (node, kind, rows)
            }
        };
        let online = nodes.iter().filter(|node| node.is_online());
        let asked = online.flat_map(|node| [GuestKind::Qemu, GuestKind::Lxc].map(|k| ask(node, k)));
        let mut listed = BTreeMap::new();
        let mut blind: BTreeSet<String> = BTreeSet::new();
        for (node, kind, rows) in join_all(asked).await {
            match rows {
                Ok(rows) => listed.extend(rows.into_iter().map(|row| {
                    let guest = Guest { kind, node: node.clone(), vmid: row.vmid };
                    (row.vmid, Listed { guest, row: Some(row) })
                })),
                Err(error) => {
                    let what = format!("{} guests of node `{node}`", kind.as_str());
                    self.gap(&what, &error);
                    blind.insert(node);
                }
            }
        }
        let offline: BTreeSet<&str> =
            nodes.iter().filter(|node| !node.is_online()).map(|node| node.name.as_str()).collect();
        let mut away: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for found in &self.resources {
            let (Some(kind), Some(node), Some(vmid)) =
                (found.guest(), found.node.clone(), found.vmid.and_then(|id| id.try_into().ok()))
            else {
                continue;
            };
            if listed.contains_key(&vmid) || blind.contains(&node) {
                continue;
            }
            let is_away = offline.contains(node.as_str());
            let one = Listed { guest: Guest { kind, node: node.clone(), vmid }, row: None };
            if is_away && self.may_be_ours(&one) {
                away.entry(node).or_default().push(vmid);
            } else if !is_away {
                listed.insert(vmid, one);
            }
        }
        for (node, ids) in away {
            let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
            self.seen.gaps.push(Gap {
                place: self.proxmox.place.clone(),
                what: format!("guests of node `{node}` ({})", ids.join(", ")),
                why: "the node is offline".into(),
                hint: Some("bring it back, or take its guests over to another node".into()),
            });
        }
        listed
    }

    /// Whether it has an id of ours or our tag: everything else is foreign.
    fn may_be_ours(&self, one: &Listed) -> bool {
        let vmid = one.guest.vmid;
        let of_cluster = || self.resources.iter().find(|found| found.vmid == Some(vmid.into()));
        let text = match &one.row {
            Some(row) => row.tags.clone(),
            None => of_cluster().and_then(|found| found.tags.clone()),
        };
        self.proxmox.entry.vmid_range.contains(vmid)
            || self.adopting.contains_key(&vmid)
            || text.is_some_and(|text| tags(&text, false).contains(TAG))
    }

    /// All about each of these guests; nothing of one that is gone.
    async fn look_at_all(
        &self,
        guests: Vec<Listed>,
    ) -> Vec<(Listed, Result<Option<Found>, CallError>)> {
        let look = |one: Listed| async move {
            let found = self.look_at(&one).await;
            (one, found)
        };
        stream::iter(guests).map(look).buffer_unordered(AT_ONCE).collect().await
    }

    async fn look_at(&self, one: &Listed) -> Result<Option<Found>, CallError> {
        let Some(values) = self.values(&one.guest).await? else { return Ok(None) };
        let running = match &one.row {
            Some(row) => row.status.as_deref() == Some("running"),
            None => match self.client.guest_status(&one.guest).await? {
                Some(status) => status.is_running(),
                None => return Ok(None),
            },
        };
        let is_ours = mark_of(self.proxmox, &one.guest.vmid.to_string(), &values).is_ok();
        let is_ours = is_ours || self.adopting.contains_key(&one.guest.vmid);
        let filter = if self.proxmox.entry.guest_firewall && is_ours {
            Some(Filter::read(self.client, &one.guest).await?)
        } else {
            None
        };
        Ok(Some(Found { guest: one.guest.clone(), values, running, filter }))
    }

    async fn values_of(
        &self,
        guests: Vec<Listed>,
    ) -> Vec<(Listed, Result<Option<Values>, CallError>)> {
        let values = |one: Listed| async move {
            let values = self.values(&one.guest).await;
            (one, values)
        };
        stream::iter(guests).map(values).buffer_unordered(AT_ONCE).collect().await
    }

    async fn values(&self, guest: &Guest) -> Result<Option<Values>, CallError> {
        match self.client.guest_pending(guest).await {
            Ok(rows) => Ok(Some(Values::new(rows))),
            Err(error) if error.is_no_guest() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes note of a guest; says whether it is ours.
    fn guest(&mut self, found: Found) -> bool {
        let Found { guest, values, running, filter } = found;
        let id = guest.vmid.to_string();
        if let Some(lock) = making(&values) {
            self.seen.gaps.push(Gap {
                place: self.proxmox.place.clone(),
                what: format!("guest `{id}`"),
                why: unmade(&guest, lock),
                hint: Some("wait until it is made, and look again".into()),
            });
            return false;
        }
        let in_range = self.proxmox.entry.vmid_range.contains(guest.vmid);
        let adopted = self.adopted_mark(&guest, &values);
        let is_adopted = adopted.is_some();
        let mark = match adopted.map_or_else(|| mark_of(self.proxmox, &id, &values), Ok) {
            Ok(mark) => mark,
            Err(error) => {
                self.not_ours("guest", &id, &error, in_range);
                return false;
            }
        };
        let listed = self.resources.iter().find(|one| one.vmid == Some(guest.vmid.into()));
        let Some(listed) = listed else {
            // Which pool it is in stands nowhere else.
            let why = "its node lists it, and the cluster does not".to_owned();
            insert_unknown(&mut self.seen, mark.address, why);
            return true;
        };
        let pool = listed.pool.clone();
        let adopted = is_adopted;
        let seen = Seen { guest, mark, adopted, values, running, managed: false, pool, filter };
        match seen.present() {
            Ok(present) => insert(&mut self.seen, present),
            Err(why) if adopted => drop(self.seen.refused.insert(seen.mark.address, why)),
            Err(why) => insert_unknown(&mut self.seen, seen.mark.address, why),
        }
        true
    }

    /// The mark that a guest gets which an entry adopts, unless something of ours stands for that
    /// entry already. One that carries a mark is refused.
    fn adopted_mark(&mut self, guest: &Guest, values: &Values) -> Option<Mark> {
        let address = *self.adopting.get(&guest.vmid)?;
        if self.seen.present.contains_key(address) || self.seen.unknown.contains_key(address) {
            return None;
        }
        let (id, text) = (guest.vmid.to_string(), values.description());
        match mark_of(self.proxmox, &id, values) {
            // By now it is what was adopted.
            Ok(mark) if mark.address == *address => None,
            _ => match adopted_mark(address, &id, text, &self.proxmox.installation) {
                Ok(mark) => Some(mark),
                Err(why) => {
                    self.seen.refused.insert(address.clone(), why);
                    None
                }
            },
        }
    }

    fn template(&self, guest: &Guest, values: &Values) -> Template {
        let is_shared = |name: &str| {
            let mut found = self.resources.iter();
            found.any(|one| one.storage.as_deref() == Some(name) && one.shared)
        };
        let disk = values.first_disk(guest.kind).map(|(_, disk)| size(&disk));
        Template {
            node: guest.node.clone(),
            shared: values.storages().all(is_shared),
            lxc: guest.kind == GuestKind::Lxc,
            disk: ByteSize::from_bytes(disk.unwrap_or_default()),
        }
    }

    fn sort_out(
        &mut self,
        sort: &'static str,
        mark: Result<Mark, MarkError>,
        body: Body,
        holds_name: bool,
    ) {
        match mark {
            Ok(mark) => insert(&mut self.seen, present(&mark, body)),
            Err(error) => self.not_ours(sort, body.name(), &error, holds_name),
        }
    }

    fn not_ours(&mut self, sort: &'static str, name: &str, error: &MarkError, holds_name: bool) {
        if *error != MarkError::Foreign {
            let thing = format!("{sort} `{name}`");
            self.seen.oddities.push(Oddity { thing, why: why_not(error) });
        }
        if holds_name {
            self.stranger(sort, name);
        }
    }

    fn stranger(&mut self, sort: &'static str, name: &str) {
        let hold = Hold::Name { sort, name: name.to_owned() };
        self.seen.strangers.push(Stranger { hold, holder: format!("{sort} `{name}`") });
    }

    fn gap(&mut self, what: &str, error: &CallError) {
        self.seen.gaps.push(Gap {
            place: self.proxmox.place.clone(),
            what: what.to_owned(),
            why: error.to_string(),
            hint: error.hint(),
        });
    }
}

/// A guest that may be ours, as it was seen.
struct Found {
    guest: Guest,
    values: Values,
    running: bool,
    filter: Option<Filter>,
}

/// A node with what it has promised to guests that are not ours. Templates never run.
fn node(one: client::Node, listed: &BTreeMap<u32, Listed>, ours: &BTreeSet<u32>) -> Node {
    let there = listed.values().filter(|guest| guest.guest.node == one.name);
    let strange = there.filter(|guest| !ours.contains(&guest.guest.vmid));
    let rows = strange.filter_map(|guest| guest.row.as_ref()).filter(|row| !row.template);
    let (mut cores, mut memory) = (0_u32, 0_u64);
    for row in rows {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "numbers of processors are small and positive; others become the nearest"
        )]
        let cpus = row.cpus.unwrap_or_default().ceil() as u32;
        cores = cores.saturating_add(cpus);
        memory = memory.saturating_add(row.memory.unwrap_or_default());
    }
    Node {
        online: one.is_online(),
        cores: one.cpus.and_then(|cpus| cpus.try_into().ok()).unwrap_or_default(),
        memory: ByteSize::from_bytes(one.memory.unwrap_or_default()),
        name: one.name,
        strange_cores: cores,
        strange_memory: ByteSize::from_bytes(memory),
    }
}
