//! What somebody may do at a path.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::{Access, Who};
use crate::proxmox::call::Caller;
use crate::proxmox::check::Given;
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::tables::Method;
use crate::proxmox::world::World;

/// Roles that are always there, with their privileges.
static ROLES: LazyLock<BTreeMap<&'static str, BTreeSet<&'static str>>> = LazyLock::new(|| {
    let lines = include_str!("../tables/roles.txt").lines();
    let words = lines.map(|line| line.split(' '));
    words.filter_map(|mut words| Some((words.next()?, words.collect()))).collect()
});

static PATH: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^/(?:access(?:/groups(?:/[\w.-]+)?|/realm(?:/[\w.-]+)?)?|nodes(?:/[\w.-]+)?|pool(?:/[\w.-]+){0,3}|sdn(?:/(?:controllers|dns|ipams|fabrics)(?:/[\w.-]+)?|/zones(?:/[\w.-]+){0,2}|/zones/[\w.-]+/[\w.-]+/[1-9][0-9]{0,3})?|storage(?:/[\w.-]+)?|vms(?:/[1-9][0-9]{2,})?|mapping(?:/(?:pci|usb|dir)(?:/[\w.-]+)?|/notifications(?:/[\w.-]+)?)?)?$",
    )
    .ok()
});

/// Whether there is a privilege of that name.
pub(in crate::proxmox) fn is_privilege(name: &str) -> bool {
    ROLES.get("Administrator").is_some_and(|all| all.contains(name))
}

/// Roles that are always there.
pub(super) fn built_in() -> &'static BTreeMap<&'static str, BTreeSet<&'static str>> {
    &ROLES
}

/// Whether rights can be given at that path.
pub(super) fn is_path(path: &str) -> bool {
    PATH.as_ref().is_some_and(|pattern| pattern.is_match(path))
}

/// Privileges, and whether each holds below the path as well.
type Privileges = BTreeMap<String, bool>;

impl Access {
    /// The privileges of a role.
    pub(super) fn role(&self, name: &str) -> Option<Vec<String>> {
        let built_in = ROLES.get(name).map(|all| all.iter().map(ToString::to_string).collect());
        built_in.or_else(|| self.roles.get(name).map(|all| all.iter().cloned().collect()))
    }

    /// Roles that an identity has at a path.
    fn roles_at(&self, who: &Who, path: &str) -> BTreeMap<String, bool> {
        let groups = match who {
            Who::User(user) => self.users.get(user).map(|user| user.groups.clone()),
            Who::Group(_) | Who::Token(_) => None,
        };
        let groups = groups.unwrap_or_default();
        let mut roles = BTreeMap::new();
        for prefix in prefixes(path) {
            let at = |is: &dyn Fn(&Who) -> bool| -> BTreeMap<String, bool> {
                let here = self.entries.iter().filter(|entry| entry.path == prefix);
                let reach = here.filter(|entry| entry.propagate || prefix == path);
                let theirs = reach.filter(|entry| is(&entry.who));
                theirs.map(|entry| (entry.role.clone(), entry.propagate)).collect()
            };
            let own = at(&|entry| entry == who);
            let found = if own.is_empty() {
                at(&|entry| matches!(entry, Who::Group(group) if groups.contains(group)))
            } else {
                own
            };
            if !found.is_empty() {
                roles = found;
            }
        }
        if roles.contains_key("NoAccess") {
            roles.retain(|name, _| name == "NoAccess");
        }
        roles
    }

    fn privileges_of(&self, roles: BTreeMap<String, bool>) -> Privileges {
        let mut privileges = Privileges::new();
        for (role, propagate) in roles {
            for privilege in self.role(&role).unwrap_or_default() {
                *privileges.entry(privilege).or_default() |= propagate;
            }
        }
        privileges
    }
}

/// `/`, `/vms`, `/vms/100`.
fn prefixes(path: &str) -> Vec<String> {
    let mut prefixes = vec!["/".to_owned()];
    let mut prefix = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        prefix = format!("{prefix}/{part}");
        prefixes.push(prefix.clone());
    }
    prefixes
}

/// What somebody may do at a path.
pub(in crate::proxmox) fn privileges(world: &World, caller: &Caller, path: &str) -> Privileges {
    if path.is_empty() {
        return Privileges::new();
    }
    let user = of_identity(world, &Who::User(caller.user.clone()), path);
    let token = caller
        .token
        .as_ref()
        .and_then(|id| world.access.users.get(&caller.user).and_then(|user| user.tokens.get(id)));
    if !token.is_some_and(|token| token.separate) {
        return user;
    }
    let own = of_identity(world, &Who::Token(caller.id()), path);
    let shared = own.into_iter().filter_map(|(privilege, propagate)| {
        user.get(&privilege).map(|&users| (privilege, propagate && users))
    });
    shared.collect()
}

fn of_identity(world: &World, who: &Who, path: &str) -> Privileges {
    let access = &world.access;
    if matches!(who, Who::User(user) if user == "root@pam") {
        return access.privileges_of([("Administrator".to_owned(), true)].into());
    }
    let mut roles = access.roles_at(who, path);
    if !roles.contains_key("NoAccess") {
        // What may be done with a pool may be done with its members.
        for pool in pools_of(world, path) {
            let path = format!("/pool/{pool}");
            roles.extend(access.roles_at(who, &path).into_iter().filter(|(_, below)| *below));
        }
    }
    access.privileges_of(roles)
}

fn pools_of<'w>(world: &'w World, path: &str) -> Vec<&'w String> {
    let vmid = path.strip_prefix("/vms/").and_then(|id| id.parse::<u32>().ok());
    let storage = path.strip_prefix("/storage/");
    let holds = world.pools.iter().filter(|(_, pool)| {
        vmid.is_some_and(|id| pool.guests.contains(&id))
            || storage.is_some_and(|id| pool.storages.contains(id))
    });
    holds.map(|(name, _)| name).collect()
}

impl World {
    /// Goes on only with all these privileges.
    pub(in crate::proxmox) fn demand(
        &self,
        caller: &Caller,
        path: &str,
        wanted: &[&str],
    ) -> Result<()> {
        let found = privileges(self, caller, path);
        match wanted.iter().find(|privilege| !found.contains_key(**privilege)) {
            Some(missing) => Err(Refusal::forbidden(&format!("{path}, {missing}"))),
            None => Ok(()),
        }
    }

    /// Goes on only with one of these privileges.
    pub(in crate::proxmox) fn demand_any(
        &self,
        caller: &Caller,
        path: &str,
        wanted: &[&str],
    ) -> Result<()> {
        let found = privileges(self, caller, path);
        if wanted.iter().any(|privilege| found.contains_key(*privilege)) {
            return Ok(());
        }
        Err(Refusal::forbidden(&format!("{path}, {}", wanted.join("|"))))
    }
}

/// Goes on only when the method may be called. It comes before the parameters are checked.
pub(in crate::proxmox) fn authorize(
    world: &World,
    caller: &Caller,
    method: &Method,
    given: &BTreeMap<String, Given>,
) -> Result<()> {
    if method.no_token && caller.token.is_some() {
        return Err(Refusal::forbidden(&format!(
            "URI '{}' not available with API token, need proper ticket.\n",
            method.path
        )));
    }
    let text = |name: &str| match given.get(name) {
        Some(Given::One(text)) => text.as_str(),
        _ => "",
    };
    let may = |path: &str, privileges: &[&str]| world.demand(caller, path, privileges).is_ok();
    let one_of = |fine: bool| if fine { Ok(()) } else { Err(Refusal::forbidden("")) };
    match method.right.as_str() {
        "world" | "all" => Ok(()),
        "root" if caller.is_root() => Ok(()),
        "root" => Err(Refusal::forbidden("")),
        "perm-modify" => {
            let path = normal(text("path"));
            let more = match path.split('/').nth(1).unwrap_or_default() {
                "storage" => "Datastore.Allocate",
                "vms" => "VM.Allocate",
                "pool" => "Pool.Allocate",
                _ => "Permissions.Modify",
            };
            let mut wanted = vec!["Permissions.Modify", more];
            wanted.dedup();
            world.demand_any(caller, &path, &wanted)
        }
        "clone" => {
            world.demand(caller, &format!("/vms/{}", text("vmid")), &["VM.Clone"])?;
            let new = format!("/vms/{}", text("newid"));
            let pool = format!("/pool/{}", text("pool"));
            let in_pool = !text("pool").is_empty() && may(&pool, &["VM.Allocate"]);
            one_of(may(&new, &["VM.Allocate"]) || in_pool)
        }
        "self-or-user" | "self-or-realm" => {
            one_of(caller.user == text("userid") || may("/access/groups", &["User.Modify"]))
        }
        "user-audit" => world.demand_any(caller, "/access/groups", &["User.Modify", "Sys.Audit"]),
        "user-create" | "user-delete" => {
            let realm = text("userid").rsplit_once('@').map_or("", |(_, realm)| realm);
            world.demand(caller, &format!("/access/realm/{realm}"), &["Realm.AllocateUser"])?;
            world.demand(caller, "/access/groups", &["User.Modify"])
        }
        "user-modify" => world.demand(caller, "/access/groups", &["User.Modify"]),
        right => at_path(world, caller, right, given),
    }
}

/// `/vms/{vmid}:VM.Audit|VM.Clone`: one of them; with commas: all of them.
fn at_path(
    world: &World,
    caller: &Caller,
    right: &str,
    given: &BTreeMap<String, Given>,
) -> Result<()> {
    let (template, privileges) = right.split_once(':').unwrap_or((right, ""));
    let mut path = template.to_owned();
    for (name, value) in given {
        if let Given::One(text) = value {
            path = path.replace(&format!("{{{name}}}"), text);
        }
    }
    let path = path.replace("/nodes/localhost", &format!("/nodes/{}", world.here));
    let path = normal(&path);
    if privileges.contains('|') {
        let wanted: Vec<&str> = privileges.split('|').collect();
        world.demand_any(caller, &path, &wanted)
    } else {
        let wanted: Vec<&str> = privileges.split(',').collect();
        world.demand(caller, &path, &wanted)
    }
}

/// A path without what is double; nothing when it cannot be one.
pub(super) fn normal(path: &str) -> String {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
    if !path.chars().all(is_fine) {
        return String::new();
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    format!("/{}", parts.join("/"))
}
