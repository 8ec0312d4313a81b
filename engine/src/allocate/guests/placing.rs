//! The cluster and the node of each guest.

use std::collections::BTreeMap;

use lessor_plans::{Body, Code, GuestBody};
use lessor_specs::{Address, Kind};

use super::super::nodes::Need;
use super::super::{Limit, Promised};
use super::keys::{cluster_key, node_key};
use super::{Chooser, host_address, names};
use crate::desire::GuestRental;

impl<'s> Chooser<'s, '_> {
    /// Guests that are somewhere already take their room before anybody new is placed.
    pub(in crate::allocate) fn settle_nodes(&mut self, rentals: &[GuestRental<'s>]) {
        // What orders were promised is counted by itself where every claim counts.
        let counted =
            |rental: &&GuestRental<'s>| !self.all_live || !self.is_ordered(&rental.address);
        let rentals: Vec<_> = rentals.iter().filter(counted).collect();
        for rental in rentals {
            let Some((cluster, node)) = self.settled(rental) else { continue };
            if let (Some(node), Some(nodes)) = (node, self.nodes.get_mut(cluster)) {
                nodes.take(&node, rental.tenant, need(rental));
            }
        }
        let specs = self.specs;
        for name in specs.proxmox.keys() {
            let seen = self.world.at(&Address::new(Kind::Proxmox, &**name));
            let kept = seen.into_iter().flat_map(|seen| &seen.present);
            let kept = kept.filter(|(birth, _)| !self.wanted.contains(*birth));
            for (_, present) in kept {
                if let (Body::Guest(guest), Some(nodes)) =
                    (&present.body, self.nodes.get_mut(name.as_str()))
                {
                    let (cores, memory) = (guest.cpu.into(), guest.memory.bytes());
                    nodes.take(&guest.node, "", Need { cores, memory });
                }
            }
        }
    }

    /// What may still be promised on each node.
    pub(in crate::allocate) fn limits(&self) -> BTreeMap<Address, Limit> {
        let nodes = self.nodes.iter().flat_map(|(cluster, nodes)| {
            nodes.rooms().map(|(node, room)| {
                let (cpu, memory) = (room.cores.saturating_mul(1000), room.memory);
                let limit = Limit { cpu: Some(cpu), memory: Some(memory), disk: None };
                (host_address(cluster, node), limit)
            })
        });
        nodes.collect()
    }

    /// Takes the room that orders were promised, and notes whose guests are where by their claims.
    pub(in crate::allocate) fn promise(&mut self, promised: &Promised) {
        for (host, amount) in promised.iter().filter(|(host, _)| host.kind() == Kind::Proxmox) {
            let Some((cluster, node)) = host.name().split_once('/') else { continue };
            if let Some(nodes) = self.nodes.get_mut(cluster) {
                let cores = amount.cpu.div_ceil(1000);
                nodes.promise(node, Need { cores, memory: amount.memory });
            }
        }
        let specs = self.specs;
        for (key, node) in self.claims {
            let cluster = key.pool.strip_prefix("proxmox.").and_then(|p| p.strip_suffix("/node"));
            let instance = key.holder.strip_prefix("instance.");
            let tenant = instance.and_then(|name| name.split_once('/'));
            // What files declare was settled before.
            let is_counted = instance.is_some_and(|name| specs.instance.contains_key(name));
            if let (Some(nodes), Some((tenant, _)), false) =
                (cluster.and_then(|cluster| self.nodes.get_mut(cluster)), tenant, is_counted)
            {
                nodes.beside(node, tenant);
            }
        }
    }

    /// The cluster a rental was put on before, and its node if that is known.
    fn settled(&self, rental: &GuestRental<'s>) -> Option<(&'s str, Option<String>)> {
        if let Some((cluster, guest)) = self.own(rental) {
            return Some((cluster, Some(guest.node.clone())));
        }
        let cluster = names(rental)
            .find_map(|address| self.claims.get(&cluster_key(address)))
            .and_then(|claim| self.specs.proxmox.get_key_value(claim.as_str()))
            .map(|(name, _)| name.as_str())
            .or_else(|| (rental.clusters.len() == 1).then(|| rental.clusters[0]))?;
        let node = names(rental).find_map(|address| self.claims.get(&node_key(cluster, address)));
        Some((cluster, node.cloned()))
    }

    /// The guest of ours that a rental means, and its cluster.
    pub(super) fn own(&self, rental: &GuestRental<'s>) -> Option<(&'s str, &GuestBody)> {
        self.specs.proxmox.keys().find_map(|cluster| {
            let seen = self.world.at(&Address::new(Kind::Proxmox, &**cluster))?;
            let present = names(rental).find_map(|address| seen.present.get(address))?;
            match &present.body {
                Body::Guest(guest) => Some((cluster.as_str(), &**guest)),
                _ => None,
            }
        })
    }

    /// Cluster and node: where it is, else where it was put, else the best there is.
    pub(super) fn place(&mut self, rental: &GuestRental<'s>) -> Option<(&'s str, String)> {
        let settled = self.settled(rental);
        if let Some((cluster, Some(node))) = settled {
            return Some((cluster, node));
        }
        let clusters = match settled {
            Some((cluster, None)) => vec![cluster],
            _ => rental.clusters.clone(),
        };
        let mut why = None;
        for cluster in &clusters {
            let place = Address::new(Kind::Proxmox, *cluster);
            let Some(seen) = self.world.at(&place) else { continue };
            // Whoever cannot see the cluster cannot tell what it lacks either.
            let is_blind = !seen.gaps.is_empty();
            let id = rental.image.template.get(*cluster).copied();
            let Some(template) = id.and_then(|id| seen.templates.get(&id)) else {
                if !is_blind && let Some(id) = id {
                    let text = format!("`{place}` has no template {id}");
                    why.get_or_insert((Code::NoTemplate, text));
                }
                continue;
            };
            if template.disk > rental.disk {
                let text = format!(
                    "its disk of {} is smaller than that of its template on `{place}`, {}",
                    rental.disk, template.disk
                );
                why.get_or_insert((Code::DiskShrinks, text));
                continue;
            }
            let only = (!template.shared).then_some(template.node.as_str());
            let nodes = self.nodes.get_mut(cluster);
            if let Some((node, why)) =
                nodes.and_then(|nodes| nodes.choose(rental.tenant, need(rental), only))
            {
                self.chosen.reasons.insert(rental.address.clone(), why);
                return Some((cluster, node));
            }
            if !is_blind {
                let here = only.map_or(String::new(), |node| {
                    format!(" (its template is on node `{node}` alone)")
                });
                let text = format!("no node of `{place}` has room for it{here}");
                why.get_or_insert((Code::NoRoom, text));
            }
        }
        if let Some((code, text)) = why {
            self.chosen.problems.push((rental.address.clone(), code, text));
        }
        None
    }
}

fn need(rental: &GuestRental<'_>) -> Need {
    Need { cores: rental.cpu.into(), memory: rental.memory.bytes() }
}
