//! Wishes to try providers with.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use lessor_plans::{
    Action, Body, Change, ContainerBody, HealthcheckBody, ImageBody, MountBody, NetworkBody,
    Origin, PortBody, Reason, VolumeBody,
};
use lessor_specs::kinds::{Logging, Protocol, Restart};
use lessor_specs::{Address, ByteSize, Cpu, EnvValue, Kind};

use crate::create;
use crate::worlds::{PLACE, World};

/// The address whose thing has this name.
pub(crate) fn address(body: &Body) -> Address {
    match body {
        Body::Image(image) => Address::new(Kind::Image, format!("{PLACE}/{}", image.name)),
        Body::Network(network) => Address::new(Kind::Network, &*network.name),
        Body::Volume(volume) => Address::new(Kind::Volume, &*volume.name),
        Body::Container(container) => Address::new(Kind::Container, &*container.name),
        other => panic!("no {} in a world of containers", other.sort()),
    }
}

/// A change from and to this body: acts look at what concerns them.
pub(crate) fn change(body: &Body) -> Change {
    Change {
        address: address(body),
        place: Address::new(Kind::Docker, PLACE),
        origin: Origin::File,
        adopted: None,
        action: Action::Create,
        reason: Reason::Wanted,
        before: Some(body.clone()),
        after: Some(body.clone()),
        ready: None,
    }
}

pub(crate) fn image(world: &dyn World) -> Body {
    Body::Image(ImageBody { name: world.image().into() })
}

pub(crate) fn network(world: &dyn World, name: &str) -> NetworkBody {
    let labels = BTreeMap::new();
    NetworkBody { name: world.name(name), subnet: None, internal: false, labels }
}

pub(crate) fn volume(world: &dyn World, name: &str) -> VolumeBody {
    VolumeBody {
        name: world.name(name),
        driver: "local".into(),
        options: BTreeMap::new(),
        labels: [("tier".to_owned(), "back".to_owned())].into(),
    }
}

/// A container that asks for nothing but its image.
pub(crate) fn container(world: &dyn World, name: &str) -> ContainerBody {
    ContainerBody {
        name: world.name(name),
        image: world.image().into(),
        entrypoint: None,
        command: None,
        user: None,
        env: BTreeMap::new(),
        labels: BTreeMap::new(),
        networks: BTreeSet::new(),
        mounts: BTreeMap::new(),
        ports: BTreeSet::new(),
        cpu: None,
        memory: None,
        pids: None,
        restart: Restart::UnlessStopped,
        no_new_privileges: true,
        healthcheck: None,
        logging: None,
        running: true,
    }
}

/// A port of the host that is free in this world.
pub(crate) fn port(world: &dyn World, container: u16) -> PortBody {
    let bind = Ipv4Addr::LOCALHOST.into();
    PortBody { container, protocol: Protocol::Tcp, bind, host: world.port() }
}

/// A container that asks for everything, with the networks and the volume it uses made before.
pub(crate) async fn everything_at_once(world: &dyn World) -> Body {
    let front = NetworkBody { subnet: Some(world.subnet()), ..network(world, "front") };
    let back = NetworkBody { internal: true, ..network(world, "back") };
    let data = volume(world, "data");
    for body in [Body::Network(front.clone()), Body::Network(back.clone())] {
        create(world, &body).await;
    }
    create(world, &Body::Volume(data.clone())).await;
    let udp = PortBody { protocol: Protocol::Udp, container: 53, ..port(world, 53) };
    let text = |text: &str| text.to_owned();
    Body::Container(Arc::new(ContainerBody {
        entrypoint: Some(vec![text("/bin/sh"), text("-c")]),
        command: Some(vec![text("trap 'exit 0' TERM; httpd -f -p 8080 & wait")]),
        user: Some(text("0:0")),
        env: [
            (text("GREETING"), EnvValue::Plain(text("hello = world"))),
            (text("TOKEN"), world.secret("token")),
        ]
        .into(),
        labels: [(text("tier"), text("front"))].into(),
        networks: [front.name, back.name].into(),
        mounts: [(text("/data"), MountBody { volume: data.name, read_only: true })].into(),
        ports: [port(world, 8080), udp].into(),
        cpu: Some(Cpu::from_millis(250)),
        memory: Some(ByteSize::from_bytes(32 << 20)),
        pids: Some(32),
        restart: Restart::OnFailure,
        healthcheck: Some(HealthcheckBody {
            command: vec![text("true")],
            interval_s: 5,
            timeout_s: 2,
            retries: 4,
            start_period_s: 0,
        }),
        logging: Some(Logging {
            driver: text("json-file"),
            options: [(text("max-size"), text("1m"))].into(),
        }),
        ..container(world, "web")
    }))
}
