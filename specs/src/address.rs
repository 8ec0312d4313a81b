//! Names of things: `kind.name`, the same in files, plans and messages.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::Code;
use crate::quantity::{Malformed, TextQuantity, text_quantity};

/// The longest name an entry may have, so that names made of two still fit every provider.
const NAME_MAX: usize = 63;

/// The sort of a thing; also the name of its table in a spec file.
///
/// Ordered by that name, which is the order of every listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Public addresses to hand out.
    AddressPool,
    /// Addresses of a firewall under one name.
    Alias,
    /// A supernet from which each tenant gets a network of its own.
    Bridge,
    /// A Docker container.
    Container,
    /// A connection to one Docker Engine.
    Docker,
    /// A rule of a firewall.
    FirewallRule,
    /// Rules that instances get.
    FirewallTemplate,
    /// What an instance runs.
    Image,
    /// A rented thing.
    Instance,
    /// A place in the world that customers choose from.
    Location,
    /// A machine that is lent for a while.
    Machine,
    /// A Docker network.
    Network,
    /// Something that can be rented.
    Offer,
    /// Another source for packets that leave a firewall.
    OutboundNat,
    /// A connection to one pfSense.
    PfSense,
    /// Rules for lessor itself.
    Policy,
    /// Machines that are lent for a while.
    Pool,
    /// A port of a firewall that leads inside.
    PortForward,
    /// Host ports to hand out.
    PortRange,
    /// What is off for those who know a word.
    PromoCode,
    /// A connection to one Proxmox VE cluster.
    Proxmox,
    /// Limits of a tenant.
    Quota,
    /// Somebody who rents.
    Tenant,
    /// A network told apart by a tag.
    Vlan,
    /// VLANs to hand out, one for each tenant.
    VlanRange,
    /// A Docker volume.
    Volume,
    /// A way in for people: a WireGuard tunnel and its peers.
    Vpn,
}

impl Kind {
    /// Every kind, in the order in which messages list them.
    pub const ALL: [Kind; 27] = [
        Kind::Docker,
        Kind::Proxmox,
        Kind::PfSense,
        Kind::Location,
        Kind::Image,
        Kind::Network,
        Kind::Volume,
        Kind::Container,
        Kind::PortRange,
        Kind::Bridge,
        Kind::Vlan,
        Kind::VlanRange,
        Kind::AddressPool,
        Kind::Alias,
        Kind::FirewallRule,
        Kind::FirewallTemplate,
        Kind::PortForward,
        Kind::OutboundNat,
        Kind::Vpn,
        Kind::Pool,
        Kind::Machine,
        Kind::Offer,
        Kind::PromoCode,
        Kind::Quota,
        Kind::Tenant,
        Kind::Instance,
        Kind::Policy,
    ];

    /// The table name in a spec file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Docker => "docker",
            Kind::Proxmox => "proxmox",
            Kind::PfSense => "pfsense",
            Kind::Location => "location",
            Kind::Image => "image",
            Kind::Network => "network",
            Kind::Volume => "volume",
            Kind::Container => "container",
            Kind::PortRange => "port_range",
            Kind::Bridge => "bridge",
            Kind::Vlan => "vlan",
            Kind::VlanRange => "vlan_range",
            Kind::AddressPool => "address_pool",
            Kind::Alias => "alias",
            Kind::FirewallRule => "firewall_rule",
            Kind::FirewallTemplate => "firewall_template",
            Kind::PortForward => "port_forward",
            Kind::OutboundNat => "outbound_nat",
            Kind::Vpn => "vpn",
            Kind::Pool => "pool",
            Kind::Machine => "machine",
            Kind::Offer => "offer",
            Kind::PromoCode => "promo_code",
            Kind::Quota => "quota",
            Kind::Tenant => "tenant",
            Kind::Instance => "instance",
            Kind::Policy => "policy",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Kind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| Malformed::new(Code::UnknownKind, "a kind such as `container`"))
    }
}

/// The name of one thing everywhere: `container.web`, `instance.acme/lobby`.
///
/// Ordered by kind, then by name, which is the order of every listing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    kind: Kind,
    name: Arc<str>,
}

impl Address {
    /// Joins a kind and a name that are already known to be good.
    pub fn new(kind: Kind, name: impl Into<Arc<str>>) -> Self {
        Address { kind, name: name.into() }
    }

    /// The sort of the thing.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The part after the first dot.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the thing has no entry of its own: it comes with an instance or a tenant.
    pub fn is_derived(&self) -> bool {
        self.kind != Kind::Instance && self.name.contains('/')
    }

    /// The entry that brings a thing along which has none of its own: an instance, or what is
    /// carved or given out for a tenant. Images are there for whatever runs them.
    pub fn bringer(&self) -> Option<Address> {
        if !self.is_derived() || self.kind == Kind::Image {
            return None;
        }
        let parts: Vec<&str> = self.name.split('/').collect();
        let instance = |tenant: &str, name: &str| {
            Some(Address::new(Kind::Instance, format!("{tenant}/{name}")))
        };
        match (self.kind, parts.as_slice()) {
            (Kind::Bridge | Kind::VlanRange, [range, _]) => Some(Address::new(self.kind, *range)),
            (Kind::Vlan, [range, _]) | (Kind::FirewallRule, ["vlan_range", range, ..]) => {
                Some(Address::new(Kind::VlanRange, *range))
            }
            (Kind::Proxmox, [_, tenant]) => Some(Address::new(Kind::Tenant, *tenant)),
            (Kind::AddressPool | Kind::VlanRange, [_, tenant, name])
            | (Kind::Volume | Kind::Alias, [tenant, name])
            | (Kind::FirewallRule, [tenant, name, _]) => instance(tenant, name),
            _ => None,
        }
    }

    /// As it stands in the header of a table, with quotes where TOML wants them.
    pub(crate) fn header(&self) -> String {
        let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.name.chars().all(bare) {
            return self.to_string();
        }
        format!("{}.{:?}", self.kind, self.name)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind, self.name)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Address {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let expected =
            || Malformed::new(Code::MalformedAddress, "an address such as `container.web`");
        let (kind, name) = text.split_once('.').ok_or_else(expected)?;
        if name.is_empty() {
            return Err(expected());
        }
        Ok(Address::new(kind.parse()?, name))
    }
}

impl TextQuantity for Address {
    const FORMAT: &'static str = "address";
    const PATTERN: &'static str = r"^[a-z_]+\..+$";
    const DESCRIPTION: &'static str = "The address of a thing, such as `container.web`.";
}

text_quantity!(Address, "Address");

/// Says what is wrong with the name of an entry of `kind`, or `None` when it is good.
///
/// A name has up to 63 ASCII letters, digits, dots and hyphens, and begins and ends with a letter
/// or digit. An instance is named by two, `tenant/name`; nothing else holds a slash.
pub fn name_problem(kind: Kind, name: &str) -> Option<String> {
    if kind == Kind::Instance {
        return match name.split_once('/') {
            Some((tenant, own)) => plain_name_problem(tenant).or_else(|| plain_name_problem(own)),
            None => Some(format!("an instance is named `tenant/name`, found `{name}`")),
        };
    }
    plain_name_problem(name)
}

fn plain_name_problem(name: &str) -> Option<String> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if name.len() > NAME_MAX {
        return Some(format!("a name has at most {NAME_MAX} characters, found {}", name.len()));
    }
    if let Some(wrong) = name.chars().find(|&c| !inner(c)) {
        // Another script may have a letter that looks the same.
        let code = if wrong.is_alphanumeric() && !wrong.is_ascii() {
            format!(" (U+{:04X})", u32::from(wrong))
        } else {
            String::new()
        };
        return Some(format!(
            "a name holds letters, digits, `-` and `.`; found {wrong:?}{code} in `{name}`"
        ));
    }
    let edges = edge(name.chars().next()) && edge(name.chars().next_back());
    (!edges).then(|| format!("a name begins and ends with a letter or digit, found `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_split_at_its_first_dot() {
        let address: Address = "image.par1/nginx:1.27".parse().unwrap();
        assert_eq!((address.kind(), address.name()), (Kind::Image, "par1/nginx:1.27"));
        assert_eq!(address.to_string(), "image.par1/nginx:1.27");
    }

    #[test]
    fn what_has_no_entry_names_the_one_that_brings_it_along() {
        let bringer = |address: &str| {
            address.parse::<Address>().unwrap().bringer().map(|bringer| bringer.to_string())
        };
        for (thing, entry) in [
            ("bridge.tenants/acme", "bridge.tenants"),
            ("vlan_range.customers/acme", "vlan_range.customers"),
            ("vlan.customers/acme", "vlan_range.customers"),
            ("vlan_range.customers/acme/web", "instance.acme/web"),
            ("firewall_rule.vlan_range/customers/acme/world", "vlan_range.customers"),
            ("firewall_rule.acme/web/http", "instance.acme/web"),
            ("address_pool.v4/acme/web", "instance.acme/web"),
            ("alias.acme/web", "instance.acme/web"),
            ("volume.acme/web", "instance.acme/web"),
            ("proxmox.ams/acme", "tenant.acme"),
        ] {
            assert_eq!(bringer(thing).as_deref(), Some(entry), "{thing}");
        }
        for own in ["instance.acme/web", "alias.office", "volume.data", "image.par1/nginx"] {
            assert_eq!(bringer(own), None, "{own}");
        }
    }

    #[test]
    fn kinds_are_ordered_by_their_names() {
        let mut kinds = Kind::ALL;
        kinds.sort();
        assert!(kinds.is_sorted_by_key(|kind| kind.as_str()), "{kinds:?}");
    }

    #[test]
    fn names_that_no_provider_could_carry_are_refused() {
        for bad in ["", "-a", "a-", "a_b", "a/b", "ü", &"a".repeat(64)] {
            assert!(name_problem(Kind::Container, bad).is_some(), "{bad}");
        }
        for bad in ["lobby", "a/b/c", "/b", "a/"] {
            assert!(name_problem(Kind::Instance, bad).is_some(), "{bad}");
        }
        assert_eq!(name_problem(Kind::Container, "paper-1.21"), None);
        assert_eq!(name_problem(Kind::Instance, "acme/lobby"), None);
    }
}
