//! Instances that are virtual machines, and what comes with each.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use lessor_plans::{
    AliasBody, Body, CloudInit, DhcpBody, GuestBody, GuestNetwork, GuestRule, InterfaceBody,
    MadeFrom, MappingBody, Naming, PoolBody, PublicAddressBody, RuleBody, VlanBody, VnetBody,
    name_for,
};
use lessor_specs::kinds::{
    AddressPool, Direction, FirewallTemplate, Proxmox, RuleAction, RuleProtocol, VlanRange,
    VmImage, VmOffer,
};
use lessor_specs::quantity::Adopted;
use lessor_specs::{Address, ByteSize, Cidr, Kind, Specs};

use super::{Draft, bare};

/// Rules that come with tenants and instances stand behind those that operators wrote, unless an
/// operator gives one an `order` beyond this.
const DERIVED_ORDER: u32 = 1_000_000;

/// An instance of a virtual machine, before anything was chosen for it.
#[derive(Clone, Debug)]
pub(crate) struct GuestRental<'s> {
    pub(crate) address: Address,
    pub(crate) tenant: &'s str,
    pub(crate) moved: &'s [Address],
    /// The clusters it may run on, in order of name. Never empty.
    pub(crate) clusters: Vec<&'s str>,
    pub(crate) image: &'s VmImage,
    pub(crate) cpu: u32,
    pub(crate) memory: ByteSize,
    pub(crate) disk: ByteSize,
    /// Whether it wants a public address; `None` is where there are any.
    pub(crate) public: Option<bool>,
    /// The firewall templates of its offer, each with its name.
    pub(crate) templates: Vec<(&'s str, &'s FirewallTemplate)>,
    /// The guest that was there before.
    adopted: Option<&'s Adopted>,
    image_name: &'s str,
    user: Option<&'s str>,
    keys: &'s [String],
    runs: bool,
}

/// Where a guest comes to live, and what it was given.
#[derive(Clone, Debug)]
pub(crate) struct GuestHome<'s> {
    pub(crate) cluster: &'s str,
    pub(crate) proxmox: &'s Proxmox,
    pub(crate) network: TenantVlan<'s>,
    pub(crate) node: String,
    pub(crate) id: u32,
    pub(crate) mac: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) public: Option<(&'s str, &'s AddressPool, Ipv4Addr)>,
    /// The tracker of the rule of each template.
    pub(crate) trackers: Vec<u32>,
}

/// The part of a range that a tenant has.
#[derive(Clone, Debug)]
pub(crate) struct TenantVlan<'s> {
    pub(crate) range_name: &'s str,
    pub(crate) range: &'s VlanRange,
    pub(crate) tenant: &'s str,
    pub(crate) tag: u16,
    pub(crate) subnet: Cidr,
    /// Whether a guest in it asks for its address.
    pub(crate) is_asked: bool,
    /// The trackers of [`TenantVlan::RULES`].
    pub(crate) trackers: Vec<u32>,
}

/// The instance called `name`, if it is a virtual machine.
pub(super) fn guest_rental<'s>(specs: &'s Specs, name: &'s str) -> Option<GuestRental<'s>> {
    let instance = specs.instance.get(name)?;
    let offer = specs.offer.get(&instance.offer)?;
    let image_name = specs.image_of(instance, offer)?;
    let image = specs.image.get(image_name)?.vm.as_ref()?;
    let VmOffer { cpu, memory, disk, public } = offer.vm.as_ref()?;
    let template = |name: &'s String| Some((name.as_str(), specs.firewall_template.get(name)?));
    Some(GuestRental {
        address: Address::new(Kind::Instance, name),
        tenant: name.split_once('/')?.0,
        moved: &instance.moved,
        clusters: specs.proxmoxes_for(offer, image, instance.location.as_deref()),
        image,
        cpu: instance.cpu.unwrap_or(cpu.min),
        memory: instance.memory.unwrap_or(memory.min),
        disk: instance.disk.unwrap_or(disk.min),
        public: *public,
        templates: offer.firewall.iter().filter_map(template).collect(),
        adopted: instance.adopted.as_ref(),
        image_name,
        user: instance.user.as_deref(),
        keys: &instance.keys,
        runs: super::runs(specs, name),
    })
}

impl<'s> GuestRental<'s> {
    /// Everything that comes with it alone, once it has a home.
    pub(crate) fn drafts(&self, home: &GuestHome<'s>) -> Vec<Draft> {
        let before = self.before(home);
        let mut needs: Vec<_> = before.iter().map(|draft| draft.address.clone()).collect();
        needs.extend([home.network.address(), pool_address(home.cluster, self.tenant)]);
        needs.extend(home.network.vnet_address());
        needs.extend(home.network.rule_addresses());
        let guest = Draft {
            needs,
            named: Some(home.id.to_string()),
            adopted: self.adopted.cloned(),
            ..bare(
                self.address.clone(),
                Address::new(Kind::Proxmox, home.cluster),
                self.moved,
                Body::Guest(Arc::new(self.guest(home))),
            )
        };
        before.into_iter().chain([guest]).collect()
    }

    /// What has to be there before it can be reached.
    fn before(&self, home: &GuestHome<'s>) -> Vec<Draft> {
        let place = Address::new(Kind::PfSense, &*home.network.range.pfsense);
        let public = home.public.map(|(pool, entry, address)| Draft {
            named: Some(address.to_string()),
            needs: vec![home.network.address()],
            ..bare(
                Address::new(Kind::AddressPool, format!("{pool}/{}", self.address.name())),
                place.clone(),
                &self.former(Kind::AddressPool, |name| format!("{pool}/{name}")),
                Body::PublicAddress(PublicAddressBody {
                    name: address.to_string(),
                    interface: entry.interface.clone(),
                    target: Some(home.address),
                    enabled: true,
                }),
            )
        });
        let mapping = self.image.asks_for_address().then(|| self.mapping(&place, home));
        let alias = (!self.templates.is_empty()).then(|| self.alias(&place, home));
        let rules = self.templates.iter().zip(&home.trackers).enumerate();
        let rules =
            rules.map(|(n, (template, tracker))| self.rule(&place, home, n, template, *tracker));
        let rules: Vec<_> = rules.collect();
        public.into_iter().chain(mapping).chain(alias).chain(rules).collect()
    }

    /// What it is told when it asks for its address.
    fn mapping(&self, place: &Address, home: &GuestHome<'s>) -> Draft {
        let (range, vlan) = (home.network.range_name, home.network.device());
        let mac = home.mac.to_ascii_lowercase();
        let name = format!("{vlan}/{mac}");
        let body = Body::Mapping(MappingBody {
            name: name.clone(),
            interface: vlan,
            mac,
            address: home.address,
            hostname: label(&self.address),
        });
        Draft {
            named: Some(name),
            needs: vec![home.network.address()],
            ..bare(
                self.mapping_address(range),
                place.clone(),
                &self.former(Kind::VlanRange, |name| format!("{range}/{name}")),
                body,
            )
        }
    }

    /// The address of what tells it its own address.
    pub(crate) fn mapping_address(&self, range: &str) -> Address {
        Address::new(Kind::VlanRange, format!("{range}/{}", self.address.name()))
    }

    fn alias_address(&self) -> Address {
        Address::new(Kind::Alias, self.address.name())
    }

    fn alias(&self, place: &Address, home: &GuestHome<'s>) -> Draft {
        let address = self.alias_address();
        let addresses = BTreeSet::from([Cidr::new(home.address.into())]);
        let body = Body::Alias(AliasBody { name: String::new(), addresses });
        Draft {
            naming: Naming::Identifier,
            ..bare(address, place.clone(), &self.former(Kind::Alias, str::to_owned), body)
        }
    }

    fn rule(
        &self,
        place: &Address,
        home: &GuestHome<'s>,
        index: usize,
        (name, template): &(&'s str, &'s FirewallTemplate),
        tracker: u32,
    ) -> Draft {
        let interface = home.public.map_or("wan", |(_, pool, _)| &pool.interface);
        let body = Body::Rule(RuleBody {
            name: String::new(),
            interface: interface.into(),
            direction: Direction::In,
            protocol: template.protocol,
            source: template.source.clone(),
            destination: self.alias_address().to_string(),
            ports: template.ports.clone(),
            action: template.action,
            log: template.log,
            enabled: true,
            after: None,
        });
        let former = self.former(Kind::FirewallRule, |instance| format!("{instance}/{name}"));
        Draft {
            named: Some(tracker.to_string()),
            needs: vec![self.alias_address(), home.network.address()],
            order: DERIVED_ORDER + u32::try_from(index).unwrap_or(u32::MAX - DERIVED_ORDER),
            ..bare(self.rule_address(name), place.clone(), &former, body)
        }
    }

    /// The address of the rule that a template of its offer comes to.
    pub(crate) fn rule_address(&self, template: &str) -> Address {
        Address::new(Kind::FirewallRule, format!("{}/{template}", self.address.name()))
    }

    /// The addresses that something of it had while the instance was called otherwise.
    fn former(&self, kind: Kind, name: impl Fn(&str) -> String) -> Vec<Address> {
        self.moved.iter().map(|old| Address::new(kind, name(old.name()))).collect()
    }

    fn guest(&self, home: &GuestHome<'s>) -> GuestBody {
        let TenantVlan { range, tag, subnet, .. } = home.network;
        let network = GuestNetwork {
            mac: home.mac.clone(),
            bridge: range.bridge.clone().unwrap_or_else(|| home.network.vnet_name()),
            tag: range.bridge.is_some().then_some(tag),
            dhcp: self.image.lxc && self.image.asks_for_address(),
        };
        let cloud_init = (!self.image.asks_for_address()).then(|| CloudInit {
            address: home.address,
            prefix: subnet.net().prefix_len(),
            gateway: gateway(subnet),
            user: self.user.map(str::to_owned),
            keys: self.keys.iter().map(|key| key.trim().to_owned()).collect(),
        });
        let rules = home.proxmox.guest_firewall.then(|| self.guest_rules());
        GuestBody {
            name: String::new(),
            node: home.node.clone(),
            lxc: self.image.lxc,
            hostname: name_for(Naming::Host, &self.address),
            made_from: MadeFrom {
                image: self.image_name.into(),
                template: self.image.template.get(home.cluster).copied(),
                storage: (!self.image.linked).then(|| home.proxmox.storage.clone()),
            },
            pool: pool_name(self.tenant),
            tags: BTreeSet::from(["lessor".to_owned()]),
            cpu: self.cpu,
            memory: self.memory,
            disk: self.disk,
            network,
            cloud_init,
            firewall: rules,
            on_boot: self.runs,
            running: self.runs,
            waiting: BTreeSet::new(),
            kept_until: None,
        }
    }

    fn guest_rules(&self) -> Vec<GuestRule> {
        let rule = |(name, template): &(&str, &FirewallTemplate)| GuestRule {
            name: (*name).to_owned(),
            protocol: template.protocol,
            source: template.source.clone(),
            ports: template.ports.clone(),
            action: template.action,
            log: template.log,
        };
        self.templates.iter().map(rule).collect()
    }
}

impl TenantVlan<'_> {
    /// What a tenant may do from its VLAN, in order: reach no other tenant and not the firewall
    /// itself, and the world.
    pub(crate) const RULES: [&'static str; 3] = ["others", "firewall", "world"];

    /// The address of a tenant's VLAN.
    pub(crate) fn address_of(range: &str, tenant: &str) -> Address {
        Address::new(Kind::VlanRange, format!("{range}/{tenant}"))
    }

    /// The address of one of the rules of a tenant's VLAN. Four parts: no instance has such a rule.
    pub(crate) fn rule_address_of(range: &str, tenant: &str, rule: &str) -> Address {
        Address::new(Kind::FirewallRule, format!("vlan_range/{range}/{tenant}/{rule}"))
    }

    pub(crate) fn address(&self) -> Address {
        TenantVlan::address_of(self.range_name, self.tenant)
    }

    fn rule_addresses(&self) -> impl Iterator<Item = Address> {
        let address = |rule| TenantVlan::rule_address_of(self.range_name, self.tenant, rule);
        TenantVlan::RULES.into_iter().map(address)
    }

    /// The virtual network that carries it, where a zone does.
    fn vnet_address(&self) -> Option<Address> {
        let name = || format!("{}/{}", self.range_name, self.tenant);
        self.range.sdn_zone.is_some().then(|| Address::new(Kind::Vlan, name()))
    }

    /// What the firewall calls it: its card and its tag.
    fn device(&self) -> String {
        format!("{}.{}", self.range.parent, self.tag)
    }

    fn vnet_name(&self) -> String {
        TenantVlan::vnet_name_of(self.tag)
    }

    /// What a virtual network of a tag is called.
    pub(crate) fn vnet_name_of(tag: u16) -> String {
        format!("v{tag}")
    }

    /// The VLAN on the firewall, what passes it, and the virtual network on the cluster.
    pub(crate) fn drafts(&self) -> Vec<Draft> {
        let firewall = Address::new(Kind::PfSense, &*self.range.pfsense);
        let (parent, tag) = (self.range.parent.clone(), self.tag);
        let name = self.device();
        let title = name_for(Naming::Identifier, &self.address());
        let spare = spare(self.subnet);
        let interface = InterfaceBody {
            title,
            address: gateway(self.subnet),
            prefix: self.subnet.net().prefix_len(),
            enabled: true,
            dhcp: self.is_asked.then_some(DhcpBody { first: spare, last: spare, open: false }),
        };
        let body = VlanBody { name: name.clone(), parent, tag, interface: Some(interface) };
        let vlan = Draft {
            named: Some(name),
            ..bare(self.address(), firewall.clone(), &[], Body::Vlan(body))
        };
        let rules = self.rules(&firewall);
        let vnet = self.vnet_address().zip(self.range.sdn_zone.as_ref()).map(|(address, zone)| {
            let name = self.vnet_name();
            let body = VnetBody { name: name.clone(), zone: zone.clone(), tag };
            let place = Address::new(Kind::Proxmox, &*self.range.proxmox);
            Draft { named: Some(name), ..bare(address, place, &[], Body::Vnet(body)) }
        });
        [vlan].into_iter().chain(rules).chain(vnet).collect()
    }

    fn rules(&self, firewall: &Address) -> Vec<Draft> {
        let vlan = self.device();
        let ends = [
            (RuleAction::Reject, self.range.supernet.to_string()),
            (RuleAction::Reject, "(self)".to_owned()),
            (RuleAction::Pass, "any".to_owned()),
        ];
        let rules = ends.into_iter().zip(self.rule_addresses()).zip(&self.trackers).enumerate();
        let draft = |(n, (((action, destination), address), tracker)): (usize, _)| {
            let tracker: &u32 = tracker;
            let body = RuleBody {
                name: String::new(),
                interface: vlan.clone(),
                direction: Direction::In,
                protocol: RuleProtocol::Any,
                source: vlan.clone(),
                destination,
                ports: Vec::new(),
                action,
                log: false,
                enabled: true,
                after: None,
            };
            Draft {
                named: Some(tracker.to_string()),
                needs: vec![self.address()],
                order: DERIVED_ORDER + u32::try_from(n).unwrap_or(0),
                ..bare(address, firewall.clone(), &[], Body::Rule(body))
            }
        };
        rules.map(draft).collect()
    }
}

/// What a tenant has on a cluster.
pub(crate) fn pool_draft(cluster: &str, tenant: &str) -> Draft {
    let name = pool_name(tenant);
    let body = Body::Pool(PoolBody { name: name.clone() });
    let place = Address::new(Kind::Proxmox, cluster);
    Draft { named: Some(name), ..bare(pool_address(cluster, tenant), place, &[], body) }
}

/// The address of what a tenant has on a cluster.
pub(crate) fn pool_address(cluster: &str, tenant: &str) -> Address {
    Address::new(Kind::Proxmox, format!("{cluster}/{tenant}"))
}

fn pool_name(tenant: &str) -> String {
    name_for(Naming::Identifier, &Address::new(Kind::Tenant, tenant))
}

/// One label, which is all that a mapping takes: `web` of `web.acme`.
fn label(address: &Address) -> String {
    let host = name_for(Naming::Host, address);
    host.split('.').next().unwrap_or_default().to_owned()
}

/// The firewall has the first address of every network.
pub(crate) fn gateway(subnet: Cidr) -> Ipv4Addr {
    let first = u32::from(subnet.net().network());
    Ipv4Addr::from(first.saturating_add(1))
}

/// The last address of a network before that of all: where guests ask for theirs, it is nobody's. A
/// DHCP server wants one that belongs to nobody, and gives it to nobody either.
pub(crate) fn spare(subnet: Cidr) -> Ipv4Addr {
    let last = u32::from(subnet.net().broadcast());
    Ipv4Addr::from(last.saturating_sub(1))
}
