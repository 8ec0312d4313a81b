//! Who may do what: deny by default.
//!
//! A [`Permission`] is what a route needs. A role grants some in one tenant, a platform role grants
//! some in all of them, and the scopes of a key take away whatever they do not name. What the caller
//! may not even know of is answered like what is not there.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use lessor_store::{PlatformRole, Role};

/// Declares the permissions, each with its word.
macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $word:literal),+ $(,)?) => {
        /// Something a call needs to be allowed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Permission {
            $($(#[$doc])* $name),+
        }

        impl Permission {
            /// All there are.
            pub const ALL: &'static [Permission] = &[$(Permission::$name),+];

            /// As it stands among the scopes of a key.
            pub fn as_str(self) -> &'static str {
                match self { $(Permission::$name => $word),+ }
            }
        }
    };
}

permissions! {
    /// Seeing one's own account.
    AccountRead = "account:read",
    /// Changing one's own account.
    AccountWrite = "account:write",
    /// Seeing what can be rented.
    CatalogueRead = "catalogue:read",
    /// Seeing a tenant.
    TenantsRead = "tenants:read",
    /// Making and changing a tenant.
    TenantsWrite = "tenants:write",
    /// Seeing who belongs to a tenant.
    MembersRead = "members:read",
    /// Deciding who belongs to a tenant.
    MembersWrite = "members:write",
    /// Seeing keys.
    KeysRead = "keys:read",
    /// Making and ending keys.
    KeysWrite = "keys:write",
    /// Seeing orders.
    OrdersRead = "orders:read",
    /// Placing, changing and ending orders.
    OrdersWrite = "orders:write",
    /// Seeing what runs.
    InstancesRead = "instances:read",
    /// Starting, stopping and entering what runs.
    InstancesWrite = "instances:write",
    /// Seeing the machines of pools, and how they are.
    PoolsRead = "pools:read",
    /// Registering machines, keeping them back, and taking back whole pools.
    PoolsWrite = "pools:write",
    /// Seeing reservations.
    ReservationsRead = "reservations:read",
    /// Reserving machines, for longer, and giving them back.
    ReservationsWrite = "reservations:write",
    /// Seeing the wallet and what was used.
    MoneyRead = "money:read",
    /// Giving credit and refunds.
    MoneyWrite = "money:write",
    /// Seeing who is told what happens.
    WebhooksRead = "webhooks:read",
    /// Deciding who is told what happens.
    WebhooksWrite = "webhooks:write",
    /// Seeing what was done.
    AuditRead = "audit:read",
    /// Seeing all accounts.
    UsersRead = "users:read",
    /// Suspending accounts and giving them back.
    UsersWrite = "users:write",
    /// Seeing plans, drift, jobs and metrics.
    OperationsRead = "operations:read",
    /// Making and carrying out plans, and running jobs.
    OperationsWrite = "operations:write",
    /// Agreeing to plans, and to what they take away.
    ApprovalsWrite = "approvals:write",
}

/// What a key may be used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scopes {
    /// All its owner may.
    All,
    /// These, as far as its owner may.
    Only(BTreeSet<Permission>),
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Permission {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Permission::ALL.iter().copied().find(|one| one.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is no scope"))
    }
}

impl Scopes {
    /// Whether they name this.
    pub fn allow(&self, permission: Permission) -> bool {
        match self {
            Scopes::All => true,
            Scopes::Only(named) => named.contains(&permission),
        }
    }

    /// Whether they name all that `others` do.
    pub fn contain(&self, others: &Scopes) -> bool {
        match (self, others) {
            (Scopes::All, _) => true,
            (Scopes::Only(_), Scopes::All) => false,
            (Scopes::Only(own), Scopes::Only(others)) => others.is_subset(own),
        }
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scopes::All => f.write_str("*"),
            Scopes::Only(named) => {
                let words: Vec<_> = named.iter().map(|one| one.as_str()).collect();
                f.write_str(&words.join(" "))
            }
        }
    }
}

impl FromStr for Scopes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Scopes::All);
        }
        text.split_whitespace().map(str::parse).collect::<Result<_, _>>().map(Scopes::Only)
    }
}

/// Whether a member with this role may do that in their tenant.
pub(crate) fn member_may(role: Role, permission: Permission) -> bool {
    let least = match permission {
        Permission::TenantsRead
        | Permission::MembersRead
        | Permission::OrdersRead
        | Permission::InstancesRead
        | Permission::ReservationsRead
        | Permission::MoneyRead => Role::Viewer,
        Permission::OrdersWrite | Permission::InstancesWrite | Permission::ReservationsWrite => {
            Role::Operator
        }
        Permission::TenantsWrite
        | Permission::MembersWrite
        | Permission::KeysRead
        | Permission::KeysWrite
        | Permission::WebhooksRead
        | Permission::WebhooksWrite
        | Permission::AuditRead => Role::Admin,
        // Of a person or of the platform, never of a tenant.
        Permission::AccountRead
        | Permission::AccountWrite
        | Permission::CatalogueRead
        | Permission::PoolsRead
        | Permission::PoolsWrite
        | Permission::MoneyWrite
        | Permission::UsersRead
        | Permission::UsersWrite
        | Permission::OperationsRead
        | Permission::OperationsWrite
        | Permission::ApprovalsWrite => return false,
    };
    // The first role may most.
    role <= least
}

/// Whether somebody with this role may do that everywhere.
pub(crate) fn platform_may(role: PlatformRole, permission: Permission) -> bool {
    use Permission as P;
    let is_read = permission.as_str().ends_with(":read");
    match role {
        PlatformRole::Admin => true,
        PlatformRole::Auditor => is_read,
        PlatformRole::Billing => {
            matches!(permission, P::MoneyWrite)
                || (is_read
                    && !matches!(permission, P::AuditRead | P::OperationsRead | P::KeysRead))
        }
        PlatformRole::Support => {
            matches!(permission, P::InstancesWrite)
                || (is_read && !matches!(permission, P::AuditRead))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_role_may_do_is_this() {
        let mut table = String::new();
        for permission in Permission::ALL {
            let members = Role::ALL.iter().filter(|role| member_may(**role, *permission));
            let members: Vec<_> = members.map(|role| role.as_str()).collect();
            let platform =
                PlatformRole::ALL.iter().filter(|role| platform_may(**role, *permission));
            let platform: Vec<_> = platform.map(|role| role.as_str()).collect();
            let (members, platform) = (members.join(" "), platform.join(" "));
            table += &format!("{permission:16} | {members:27} | {platform}\n");
        }
        insta::assert_snapshot!(table, @"
        account:read     |                             | admin billing support auditor
        account:write    |                             | admin
        catalogue:read   |                             | admin billing support auditor
        tenants:read     | owner admin operator viewer | admin billing support auditor
        tenants:write    | owner admin                 | admin
        members:read     | owner admin operator viewer | admin billing support auditor
        members:write    | owner admin                 | admin
        keys:read        | owner admin                 | admin support auditor
        keys:write       | owner admin                 | admin
        orders:read      | owner admin operator viewer | admin billing support auditor
        orders:write     | owner admin operator        | admin
        instances:read   | owner admin operator viewer | admin billing support auditor
        instances:write  | owner admin operator        | admin support
        pools:read       |                             | admin billing support auditor
        pools:write      |                             | admin
        reservations:read | owner admin operator viewer | admin billing support auditor
        reservations:write | owner admin operator        | admin
        money:read       | owner admin operator viewer | admin billing support auditor
        money:write      |                             | admin billing
        webhooks:read    | owner admin                 | admin billing support auditor
        webhooks:write   | owner admin                 | admin
        audit:read       | owner admin                 | admin auditor
        users:read       |                             | admin billing support auditor
        users:write      |                             | admin
        operations:read  |                             | admin support auditor
        operations:write |                             | admin
        approvals:write  |                             | admin
        ");
    }

    #[test]
    fn scopes_are_read_as_they_are_written() {
        let scopes: Scopes = "orders:write orders:read".parse().unwrap();
        assert_eq!(scopes.to_string(), "orders:read orders:write");
        assert!(Scopes::All.contain(&scopes) && !scopes.contain(&Scopes::All));
        assert_eq!("orders:eat".parse::<Scopes>().unwrap_err(), "`orders:eat` is no scope");
    }
}
