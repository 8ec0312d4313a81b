//! How things of clusters and firewalls come to be as wished: what can be changed where it stands.

use lessor_plans::{Body, Present, Transition};

/// How to come from `present` to `desired`, for what Proxmox VE and pfSense hold. What cannot be
/// seen of a thing that is there does not count.
pub fn transition(desired: &Body, present: &Present) -> Transition {
    let before = present.beside(Some(desired));
    if before == *desired {
        return Transition::None;
    }
    let (before, after) = (before.attributes(), desired.attributes());
    let paths = before.keys().chain(after.keys());
    let mut differing: Vec<String> =
        paths.filter(|path| before.get(*path) != after.get(*path)).cloned().collect();
    differing.sort_unstable();
    differing.dedup();
    if differing.iter().any(|path| is_fixed(desired, path)) {
        Transition::Replace(differing)
    } else {
        Transition::InPlace(differing)
    }
}

/// What a thing keeps for as long as it is there.
fn is_fixed(desired: &Body, path: &str) -> bool {
    match desired {
        // Another image, or another sort of guest, is another guest.
        Body::Guest(_) => matches!(path, "lxc" | "made_from.image"),
        Body::Vnet(_) => path == "zone",
        // A card and a tag make a device of their own.
        Body::Vlan(_) => matches!(path, "name" | "parent" | "tag"),
        // Only a floating rule looks at what leaves, and none becomes one later.
        Body::Rule(_) => matches!(path, "name" | "direction"),
        // Where and who are what it is known by.
        Body::Mapping(_) => matches!(path, "name" | "interface" | "mac"),
        Body::PublicAddress(_) => path == "name",
        Body::Pool(_)
        | Body::Alias(_)
        | Body::Forward(_)
        | Body::Outbound(_)
        | Body::Tunnel(_)
        | Body::Image(_)
        | Body::Network(_)
        | Body::Volume(_)
        | Body::Container(_) => false,
    }
}
