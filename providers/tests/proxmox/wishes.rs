//! Wishes to try the provider with.

use std::collections::BTreeSet;
use std::sync::Arc;

use lessor_plans::{
    Action, Body, Change, CloudInit, GuestBody, GuestNetwork, GuestRule, MadeFrom, Mark, Origin,
    PoolBody, Reason, VnetBody,
};
use lessor_specs::kinds::{RuleAction, RuleProtocol};
use lessor_specs::{Address, ByteSize, Kind};

use crate::world::{CT, INSTALLATION, PLACE, SHARED, VM};

pub(crate) const GIB: u64 = 1 << 30;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7 alice@example.net";

/// The address whose thing has this name.
pub(crate) fn address(body: &Body) -> Address {
    match body {
        Body::Guest(guest) => Address::new(Kind::Instance, format!("acme/g{}", guest.name)),
        Body::Pool(pool) => Address::new(Kind::Proxmox, format!("{PLACE}/{}", pool.name)),
        Body::Vnet(vnet) => Address::new(Kind::Vlan, format!("customers/{}", vnet.name)),
        other => panic!("no {} in a cluster", other.sort()),
    }
}

/// A change from and to this body: acts look at what concerns them.
pub(crate) fn change(body: &Body) -> Change {
    Change {
        address: address(body),
        place: Address::new(Kind::Proxmox, PLACE),
        origin: Origin::File,
        adopted: None,
        action: Action::Create,
        reason: Reason::Wanted,
        before: Some(body.clone()),
        after: Some(body.clone()),
        ready: None,
    }
}

pub(crate) fn mark(body: &Body) -> Mark {
    Mark {
        installation: INSTALLATION.parse().unwrap(),
        address: address(body),
        origin: Origin::File,
        name: body.name().into(),
    }
}

pub(crate) fn pool() -> Body {
    Body::Pool(PoolBody { name: "acme".into() })
}

pub(crate) fn vnet() -> Body {
    Body::Vnet(VnetBody { name: "v2100".into(), zone: "zvlan".into(), tag: 2100 })
}

/// A machine with disks of its own that asks for everything.
pub(crate) fn guest(id: u32) -> GuestBody {
    let rule = |name: &str, protocol, ports: &[&str]| GuestRule {
        name: name.into(),
        protocol,
        source: "any".into(),
        ports: ports.iter().map(|ports| ports.parse().unwrap()).collect(),
        action: RuleAction::Pass,
        log: false,
    };
    GuestBody {
        name: id.to_string(),
        node: "pve1".into(),
        lxc: false,
        hostname: "web-1.acme".into(),
        made_from: MadeFrom {
            image: "debian".into(),
            template: Some(VM),
            storage: Some("local".into()),
        },
        pool: "acme".into(),
        tags: ["lessor".to_owned(), "web".into()].into(),
        cpu: 2,
        memory: ByteSize::from_bytes(2 * GIB),
        disk: ByteSize::from_bytes(3 * GIB),
        network: GuestNetwork {
            mac: "02:1B:00:00:00:01".into(),
            bridge: "vmbr0".into(),
            tag: Some(2100),
            dhcp: false,
        },
        cloud_init: Some(CloudInit {
            address: "10.100.0.2".parse().unwrap(),
            prefix: 28,
            gateway: "10.100.0.1".parse().unwrap(),
            user: Some("alice".into()),
            keys: [KEY.to_owned()].into(),
        }),
        firewall: Some(vec![
            rule("web-in", RuleProtocol::Tcp, &["80", "443", "8000-8010"]),
            GuestRule {
                source: "198.51.100.0/24".into(),
                ..rule("ssh", RuleProtocol::Tcp, &["22"])
            },
            rule("dns", RuleProtocol::TcpUdp, &["53"]),
            GuestRule {
                log: true,
                action: RuleAction::Reject,
                ..rule("ping", RuleProtocol::Icmp, &[])
            },
        ]),
        on_boot: true,
        running: true,
        waiting: BTreeSet::new(),
        kept_until: None,
    }
}

pub(crate) fn vm(id: u32) -> Body {
    Body::Guest(guest(id).into())
}

/// A machine that shares the disk of its template, on the other node.
pub(crate) fn linked(id: u32) -> Body {
    let made_from = MadeFrom { image: "debian".into(), template: Some(SHARED), storage: None };
    let node = "pve2".into();
    Body::Guest(Arc::new(GuestBody { made_from, node, ..guest(id) }))
}

pub(crate) fn container(id: u32) -> Body {
    let wish = guest(id);
    let cloud_init =
        wish.cloud_init.clone().map(|wish| CloudInit { user: None, keys: BTreeSet::new(), ..wish });
    let made_from =
        MadeFrom { image: "debian-ct".into(), template: Some(CT), storage: Some("local".into()) };
    Body::Guest(Arc::new(GuestBody { lxc: true, made_from, cloud_init, ..wish }))
}

pub(crate) fn with(body: &Body, edit: impl FnOnce(&mut GuestBody)) -> Body {
    let mut body = body.clone();
    edit(body.guest_mut().unwrap());
    body
}
