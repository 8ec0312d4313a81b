//! What a token has to be allowed, and how it is given that.

use std::collections::BTreeMap;

use lessor_specs::kinds;

use super::Networks;

/// What it takes to look at guests, and to make and change them.
const GUESTS: &[&str] = &[
    "VM.Allocate",
    "VM.Audit",
    "VM.Clone",
    "VM.Config.CDROM",
    "VM.Config.CPU",
    "VM.Config.Cloudinit",
    "VM.Config.Disk",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
    "VM.PowerMgmt",
];

const POOLS: &[&str] = &["Pool.Allocate", "Pool.Audit"];
const NODES: &[&str] = &["Sys.Audit"];
const STORAGE: &[&str] = &["Datastore.AllocateSpace", "Datastore.Audit"];
const BRIDGES: &[&str] = &["SDN.Use"];
const ZONES: &[&str] = &["SDN.Allocate", "SDN.Audit", "SDN.Use"];
/// Putting networks into effect is one act for all zones.
const EFFECT: &[&str] = &["SDN.Allocate"];

/// Who speaks for us, if nobody else is named.
const USER: &str = "lessor@pve";

/// What has to be allowed at one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// The path: `/vms`.
    pub path: String,
    /// The privileges, in order of name.
    pub privileges: &'static [&'static str],
}

/// What a connection needs, in order of path.
pub fn needed(entry: &kinds::Proxmox, networks: &Networks) -> Vec<Needed> {
    let at = |path: &str, privileges| Needed { path: path.to_owned(), privileges };
    let mut needed = vec![at("/nodes", NODES), at("/pool", POOLS), at("/vms", GUESTS)];
    needed.push(at(&format!("/storage/{}", entry.storage), STORAGE));
    let bridges = networks.bridges.iter();
    needed.extend(bridges.map(|name| at(&format!("/sdn/zones/localnetwork/{name}"), BRIDGES)));
    needed.extend(networks.zones.iter().map(|name| at(&format!("/sdn/zones/{name}"), ZONES)));
    if !networks.zones.is_empty() {
        needed.push(at("/sdn", EFFECT));
    }
    needed.sort_by(|a, b| a.path.cmp(&b.path));
    needed
}

/// Who speaks for us, as a token's secret begins: `USER@REALM!NAME`.
pub const TOKEN: &str = "lessor@pve!lessor";

/// Commands for a node, by which a user and a token come to what is needed and nothing else.
///
/// The last one shows the token's secret, once. All of them may be given again, after something
/// new is needed: what is there already says so and stays.
pub fn bootstrap(needed: &[Needed]) -> String {
    let mut roles: BTreeMap<&[&str], String> = BTreeMap::new();
    for Needed { path, privileges } in needed {
        roles.entry(privileges).or_insert_with(|| role(path));
    }
    let mut lines = vec![format!("pveum user add {USER} --comment \"speaks for lessor\"")];
    let mut made: Vec<(&String, String)> =
        roles.iter().map(|(privileges, role)| (role, privileges.join(","))).collect();
    made.sort();
    for (role, privileges) in made {
        let privileges = format!("{role} --privs \"{privileges}\"");
        lines.push(format!("pveum role add {privileges} || pveum role modify {privileges}"));
    }
    for Needed { path, privileges } in needed {
        let role = &roles[privileges];
        lines.push(format!("pveum acl modify {path} --users {USER} --roles {role}"));
    }
    // Rights of its own would have to be given once more.
    lines.push(format!("pveum user token add {USER} lessor --privsep 0"));
    lines.join("\n") + "\n"
}

/// A name for a role after the first path that it is given at.
fn role(path: &str) -> String {
    let parts = path.split('/').filter(|part| !part.is_empty());
    ["lessor"].into_iter().chain(parts).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_give_what_is_needed_and_nothing_else() {
        let at = |path: &str, privileges| Needed { path: path.into(), privileges };
        let text = bootstrap(&[at("/nodes", NODES), at("/pool", POOLS), at("/sdn", BRIDGES)]);
        let expected = "\
pveum user add lessor@pve --comment \"speaks for lessor\"
pveum role add lessor-nodes --privs \"Sys.Audit\" || pveum role modify lessor-nodes --privs \"Sys.Audit\"
pveum role add lessor-pool --privs \"Pool.Allocate,Pool.Audit\" || pveum role modify lessor-pool --privs \"Pool.Allocate,Pool.Audit\"
pveum role add lessor-sdn --privs \"SDN.Use\" || pveum role modify lessor-sdn --privs \"SDN.Use\"
pveum acl modify /nodes --users lessor@pve --roles lessor-nodes
pveum acl modify /pool --users lessor@pve --roles lessor-pool
pveum acl modify /sdn --users lessor@pve --roles lessor-sdn
pveum user token add lessor@pve lessor --privsep 0
";
        assert_eq!(text, expected);
    }
}
