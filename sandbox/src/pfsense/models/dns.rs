//! What the resolver overrides.

use super::super::field::{Check, flag, ip, nested, number, text};
use super::super::kind::Kind;
use super::super::model::{Model, list};

pub(super) fn host_override() -> Model {
    list("DNSResolverHostOverride", "DNS Resolver Host Override", "unbound/hosts")
        .subsystem("unbound")
        .unique_together(&["host", "domain"])
        .sorted_by("host")
        .fields(vec![
            text("host").required().empty().longest(255).check(Check::Hostname {
                plain: true,
                domain: false,
                fqdn: false,
            }),
            text("domain").required().longest(255).check(Check::Hostname {
                plain: true,
                domain: false,
                fqdn: false,
            }),
            text("ip").required().many().empty().address(ip().v4().v6()),
            text("descr").default("").empty(),
            nested("aliases", Kind::HostAlias)
                .default_list(&[])
                .empty()
                .within("aliases")
                .stored("item"),
        ])
}

pub(super) fn host_alias() -> Model {
    list("DNSResolverHostOverrideAlias", "DNS Resolver Host Override Alias", "aliases/item")
        .child_of(Kind::HostOverride)
        .subsystem("unbound")
        .unique_together(&["host", "domain"])
        .sorted_by("host")
        .fields(vec![
            text("host").required().empty().longest(255).check(Check::Hostname {
                plain: true,
                domain: false,
                fqdn: false,
            }),
            text("domain").required().longest(255).check(Check::Hostname {
                plain: true,
                domain: false,
                fqdn: false,
            }),
            text("descr").default("").empty().stored("description"),
        ])
}

pub(super) fn domain_override() -> Model {
    list("DNSResolverDomainOverride", "DNS Resolver Domain Override", "unbound/domainoverrides")
        .subsystem("unbound")
        .fields(vec![
            text("domain").required().longest(255).check(Check::Hostname {
                plain: true,
                domain: true,
                fqdn: true,
            }),
            text("ip").required().longest(255).address(ip().v4().v6()),
            text("descr").default("").empty(),
            flag("forward_tls_upstream").default(false),
            text("tls_hostname")
                .default("")
                .empty()
                .longest(255)
                .when("forward_tls_upstream", true)
                .check(Check::Hostname { plain: true, domain: true, fqdn: true }),
        ])
}

pub(super) fn access_list() -> Model {
    list("DNSResolverAccessList", "DNS Resolver Access List", "unbound/acls")
        .subsystem("unbound")
        .fields(vec![
            text("name").required().empty().stored("aclname"),
            text("action")
                .required()
                .choices(&[
                    "allow",
                    "deny",
                    "refuse",
                    "allow snoop",
                    "deny nonlocal",
                    "refuse nonlocal",
                ])
                .stored("aclaction"),
            text("description").default("").empty(),
            nested("networks", Kind::AccessNetwork).required().empty().stored("row"),
        ])
}

pub(super) fn access_network() -> Model {
    list("DNSResolverAccessListNetwork", "DNS Resolver Access List Network", "row")
        .child_of(Kind::AccessList)
        .subsystem("unbound")
        .fields(vec![
            text("network").required().empty().stored("acl_network").address(ip().v4().v6()),
            number("mask").required().range(0, 128),
            text("description").default("").empty(),
        ])
}
