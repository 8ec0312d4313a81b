//! How a thing should look, or does: every attribute decided.

mod docker;
mod firewall;
mod guest;
mod hold;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use docker::{
    ContainerBody, HealthcheckBody, ImageBody, MountBody, NetworkBody, PortBody, VolumeBody,
};
pub use firewall::{
    AliasBody, DhcpBody, ForwardBody, InterfaceBody, MappingBody, OutboundBody, PeerBody,
    PublicAddressBody, RuleBody, TunnelBody, VlanBody,
};
pub use guest::{CloudInit, GuestBody, GuestNetwork, GuestRule, MadeFrom, PoolBody, VnetBody};
pub use hold::Hold;

/// How one thing looks. Names are those of the provider, not addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// An image that is there.
    Image(ImageBody),
    /// A network.
    Network(NetworkBody),
    /// A volume.
    Volume(VolumeBody),
    /// A container. Shared, since a wish, a change and a listing of a large estate all hold it.
    Container(Arc<ContainerBody>),
    /// A guest of a cluster. Shared, as containers are.
    Guest(Arc<GuestBody>),
    /// A resource pool of a cluster.
    Pool(PoolBody),
    /// A virtual network of a cluster.
    Vnet(VnetBody),
    /// A VLAN of a firewall.
    Vlan(VlanBody),
    /// Addresses under one name.
    Alias(AliasBody),
    /// A rule of a firewall.
    Rule(RuleBody),
    /// A port of a firewall that leads inside.
    Forward(ForwardBody),
    /// A public address that leads to a guest.
    PublicAddress(PublicAddressBody),
    /// An address that a guest gets when it asks for one.
    Mapping(MappingBody),
    /// Another source for packets that leave.
    Outbound(OutboundBody),
    /// A WireGuard tunnel.
    Tunnel(TunnelBody),
}

impl Body {
    /// What a provider calls a thing of this sort: `container`, `guest`, `rule`.
    pub fn sort(&self) -> &'static str {
        match self {
            Body::Image(_) => "image",
            Body::Network(_) => "network",
            Body::Volume(_) => "volume",
            Body::Container(_) => "container",
            Body::Guest(_) => "guest",
            Body::Pool(_) => "pool",
            Body::Vnet(_) => "vnet",
            Body::Vlan(_) => "vlan",
            Body::Alias(_) => "alias",
            Body::Rule(_) => "rule",
            Body::Forward(_) => "port forward",
            Body::PublicAddress(_) => "address",
            Body::Mapping(_) => "static mapping",
            Body::Outbound(_) => "outbound mapping",
            Body::Tunnel(_) => "tunnel",
        }
    }

    /// What the provider knows it by.
    pub fn name(&self) -> &str {
        match self {
            Body::Image(image) => &image.name,
            Body::Network(network) => &network.name,
            Body::Volume(volume) => &volume.name,
            Body::Container(container) => &container.name,
            Body::Guest(guest) => &guest.name,
            Body::Pool(pool) => &pool.name,
            Body::Vnet(vnet) => &vnet.name,
            Body::Vlan(vlan) => &vlan.name,
            Body::Alias(alias) => &alias.name,
            Body::Rule(rule) => &rule.name,
            Body::Forward(forward) => &forward.name,
            Body::PublicAddress(address) => &address.name,
            Body::Mapping(mapping) => &mapping.name,
            Body::Outbound(outbound) => &outbound.name,
            Body::Tunnel(tunnel) => &tunnel.name,
        }
    }

    /// Gives it another name.
    pub fn set_name(&mut self, name: String) {
        *match self {
            Body::Image(image) => &mut image.name,
            Body::Network(network) => &mut network.name,
            Body::Volume(volume) => &mut volume.name,
            Body::Container(container) => &mut Arc::make_mut(container).name,
            Body::Guest(guest) => &mut Arc::make_mut(guest).name,
            Body::Pool(pool) => &mut pool.name,
            Body::Vnet(vnet) => &mut vnet.name,
            Body::Vlan(vlan) => &mut vlan.name,
            Body::Alias(alias) => &mut alias.name,
            Body::Rule(rule) => &mut rule.name,
            Body::Forward(forward) => &mut forward.name,
            Body::PublicAddress(address) => &mut address.name,
            Body::Mapping(mapping) => &mut mapping.name,
            Body::Outbound(outbound) => &mut outbound.name,
            Body::Tunnel(tunnel) => &mut tunnel.name,
        } = name;
    }

    /// The container, to be changed; a copy of it, if it is shared.
    pub fn container_mut(&mut self) -> Option<&mut ContainerBody> {
        match self {
            Body::Container(container) => Some(Arc::make_mut(container)),
            _ => None,
        }
    }

    /// The guest, to be changed; a copy of it, if it is shared.
    pub fn guest_mut(&mut self) -> Option<&mut GuestBody> {
        match self {
            Body::Guest(guest) => Some(Arc::make_mut(guest)),
            _ => None,
        }
    }

    /// The ends of a rule, to be changed: whatever may name an alias.
    pub fn ends_mut(&mut self) -> Vec<&mut String> {
        match self {
            Body::Rule(rule) => vec![&mut rule.source, &mut rule.destination],
            Body::Forward(forward) => vec![&mut forward.source],
            _ => Vec::new(),
        }
    }

    /// Holds what is shared together with `other`, if that is the same: nearly everything is there
    /// as it is wished, and one of two equals is enough.
    pub fn share(&mut self, other: &Body) {
        match (self, other) {
            (Body::Container(own), Body::Container(other)) if own == other => own.clone_from(other),
            (Body::Guest(own), Body::Guest(other)) if own == other => own.clone_from(other),
            _ => {}
        }
    }

    /// Whether removing it loses what cannot be made again.
    pub fn has_data(&self) -> bool {
        matches!(self, Body::Volume(_) | Body::Guest(_))
    }

    /// What nothing else on its host can have at the same time, apart from its name.
    pub fn holds(&self) -> Vec<Hold> {
        match self {
            Body::Network(network) => network.subnet.map(Hold::Subnet).into_iter().collect(),
            Body::Container(container) => container.ports.iter().map(PortBody::hold).collect(),
            Body::Vlan(vlan) => {
                vlan.interface.iter().filter_map(|i| i.subnet().map(Hold::Subnet)).collect()
            }
            Body::Image(_)
            | Body::Volume(_)
            | Body::Guest(_)
            | Body::Pool(_)
            | Body::Vnet(_)
            | Body::Alias(_)
            | Body::Rule(_)
            | Body::Forward(_)
            | Body::PublicAddress(_)
            | Body::Mapping(_)
            | Body::Outbound(_)
            | Body::Tunnel(_) => Vec::new(),
        }
    }

    /// The things beside it that it uses, each by sort and name: those must be there before it and
    /// go after it.
    pub fn uses(&self) -> Vec<(&'static str, &str)> {
        match self {
            Body::Container(container) => {
                let networks = container.networks.iter().map(|name| ("network", name.as_str()));
                let volumes = container.mounts.values().map(|m| ("volume", m.volume.as_str()));
                networks.chain(volumes).chain([("image", container.image.as_str())]).collect()
            }
            Body::Guest(guest) => vec![("pool", &guest.pool), ("vnet", &guest.network.bridge)],
            // A name that is no alias and no VLAN of ours is simply not found.
            Body::Rule(rule) => vec![
                ("vlan", &rule.interface),
                ("vlan", &rule.source),
                ("vlan", &rule.destination),
                ("alias", &rule.source),
                ("alias", &rule.destination),
            ],
            Body::Forward(forward) => vec![("alias", &forward.source)],
            Body::Mapping(mapping) => vec![("vlan", &mapping.interface)],
            Body::Outbound(outbound) => {
                vec![("alias", &outbound.source), ("alias", &outbound.destination)]
            }
            Body::Image(_)
            | Body::Network(_)
            | Body::Volume(_)
            | Body::Pool(_)
            | Body::Vnet(_)
            | Body::Vlan(_)
            | Body::Alias(_)
            | Body::PublicAddress(_)
            | Body::Tunnel(_) => Vec::new(),
        }
    }

    /// What there is to know before one agrees to make it: what it is given, and what it does.
    pub(crate) fn facts(&self) -> Vec<String> {
        match self {
            Body::Guest(guest) => guest.facts(),
            Body::Rule(rule) => rule.facts(),
            Body::Alias(alias) => alias.addresses.iter().map(ToString::to_string).collect(),
            Body::Vlan(vlan) => {
                let holds = self.holds().into_iter().map(|hold| hold.to_string());
                std::iter::once(format!("tag {}", vlan.tag)).chain(holds).collect()
            }
            Body::PublicAddress(public) => {
                let target = public.target.map(|target| format!(" → {target}"));
                vec![format!("{}{}", public.name, target.unwrap_or_default())]
            }
            Body::Forward(forward) => vec![forward.fact()],
            Body::Mapping(mapping) => vec![format!("{} → {}", mapping.mac, mapping.address)],
            Body::Outbound(outbound) => vec![outbound.fact()],
            _ => self.holds().iter().map(ToString::to_string).collect(),
        }
    }

    /// What of it a person asked for: without its place among its neighbours, which moves with
    /// them.
    pub fn asked_for(&self) -> Cow<'_, Body> {
        match self {
            Body::Rule(rule) if rule.after.is_some() => {
                Cow::Owned(Body::Rule(RuleBody { after: None, ..rule.clone() }))
            }
            _ => Cow::Borrowed(self),
        }
    }

    /// Every attribute by its path, for comparing and showing: `memory`, `env.EULA`.
    ///
    /// Lists are one attribute each; maps and tables are taken apart.
    pub fn attributes(&self) -> BTreeMap<String, Value> {
        let mut attributes = BTreeMap::new();
        // Bodies are plain data: serializing them cannot fail.
        let value = match self {
            Body::Image(image) => serde_json::to_value(image),
            Body::Network(network) => serde_json::to_value(network),
            Body::Volume(volume) => serde_json::to_value(volume),
            Body::Container(container) => serde_json::to_value(container),
            Body::Guest(guest) => serde_json::to_value(guest),
            Body::Pool(pool) => serde_json::to_value(pool),
            Body::Vnet(vnet) => serde_json::to_value(vnet),
            Body::Vlan(vlan) => serde_json::to_value(vlan),
            Body::Alias(alias) => serde_json::to_value(alias),
            Body::Rule(rule) => serde_json::to_value(rule),
            Body::Forward(forward) => serde_json::to_value(forward),
            Body::PublicAddress(address) => serde_json::to_value(address),
            Body::Mapping(mapping) => serde_json::to_value(mapping),
            Body::Outbound(outbound) => serde_json::to_value(outbound),
            Body::Tunnel(tunnel) => serde_json::to_value(tunnel),
        };
        flatten(String::new(), value.unwrap_or_default(), &mut attributes);
        attributes
    }
}

/// Takes maps and tables apart, to one attribute a path.
pub(crate) fn flatten(path: String, value: Value, attributes: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name } else { format!("{path}.{name}") };
                flatten(path, value, attributes);
            }
        }
        value => drop(attributes.insert(path, value)),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}
