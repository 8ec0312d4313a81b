//! Under which names choices are remembered.

use lessor_plans::ClaimKey;
use lessor_specs::Address;

pub(super) fn cluster_key(address: &Address) -> ClaimKey {
    ClaimKey { pool: "proxmox".into(), holder: address.to_string() }
}

pub(super) fn node_key(cluster: &str, address: &Address) -> ClaimKey {
    ClaimKey { pool: format!("proxmox.{cluster}/node"), holder: address.to_string() }
}

pub(super) fn id_key(cluster: &str, address: &Address) -> ClaimKey {
    ClaimKey { pool: format!("proxmox.{cluster}/id"), holder: address.to_string() }
}

pub(super) fn tracker_key(pfsense: &str, rule: &Address) -> ClaimKey {
    ClaimKey { pool: format!("pfsense.{pfsense}/tracker"), holder: rule.to_string() }
}

pub(super) fn mac_key(cluster: &str, address: &Address) -> ClaimKey {
    ClaimKey { pool: format!("proxmox.{cluster}/mac"), holder: address.to_string() }
}

pub(super) fn address_key(range: &str, address: &Address) -> ClaimKey {
    ClaimKey { pool: format!("vlan_range.{range}/address"), holder: address.to_string() }
}
