//! What a tenant has once, whatever it rents.

use lessor_specs::{Address, Kind};

/// The tenant to which a thing belongs that all its instances on a host share: a network, a VLAN
/// with its rules, a pool. It comes with the first of them and goes with the last.
pub(crate) fn sharing(address: &Address) -> Option<&str> {
    let mut parts = address.name().split('/');
    let tenant = match address.kind() {
        Kind::Bridge | Kind::VlanRange | Kind::Vlan | Kind::Proxmox => parts.nth(1),
        Kind::FirewallRule if parts.next() == Some("vlan_range") => parts.nth(1),
        _ => None,
    };
    let is_alone = || address.bringer().is_some_and(|bringer| bringer.kind() == Kind::Instance);
    tenant.filter(|_| address.is_derived() && !is_alone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_names_its_tenant() {
        for (address, tenant) in [
            ("bridge.tenants/acme", Some("acme")),
            ("vlan_range.customers/acme", Some("acme")),
            ("vlan.customers/acme", Some("acme")),
            ("proxmox.ams/acme", Some("acme")),
            ("firewall_rule.vlan_range/customers/acme/world", Some("acme")),
            ("vlan_range.customers/acme/web", None),
            ("firewall_rule.acme/web/http", None),
            ("volume.acme/web", None),
            ("instance.acme/web", None),
            ("vlan.mgmt", None),
        ] {
            assert_eq!(sharing(&address.parse().unwrap()), tenant, "{address}");
        }
    }
}
