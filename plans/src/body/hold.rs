//! What nothing else beside a thing can have.

use std::net::IpAddr;

use lessor_specs::Cidr;
use lessor_specs::kinds::Protocol;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Something only one thing of a host can have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// A port on the host.
    Port {
        /// The host address.
        bind: IpAddr,
        /// The port.
        port: u16,
        /// Its protocol.
        protocol: Protocol,
    },
    /// A range of addresses.
    Subnet(Cidr),
    /// A name among things of its sort.
    Name {
        /// `network`, `volume` or `container`.
        sort: &'static str,
        /// The name.
        name: String,
    },
}

/// The sorts of things whose names are held, as [`Body::sort`](crate::Body::sort) has them.
const SORTS: [&str; 13] = [
    "address",
    "alias",
    "container",
    "guest",
    "image",
    "network",
    "pool",
    "port forward",
    "rule",
    "tunnel",
    "vlan",
    "vnet",
    "volume",
];

/// As it is read: with a sort that may be anything.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Form {
    Port { bind: IpAddr, port: u16, protocol: Protocol },
    Subnet(Cidr),
    Name { sort: String, name: String },
}

impl<'de> Deserialize<'de> for Hold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Form::deserialize(deserializer)? {
            Form::Port { bind, port, protocol } => Hold::Port { bind, port, protocol },
            Form::Subnet(subnet) => Hold::Subnet(subnet),
            Form::Name { sort, name } => {
                let found = SORTS.into_iter().find(|known| *known == sort);
                let unknown = || D::Error::custom(format_args!("there is no sort `{sort}`"));
                Hold::Name { sort: found.ok_or_else(unknown)?, name }
            }
        })
    }
}

impl Hold {
    /// Whether one host cannot have both.
    pub fn clashes(&self, other: &Hold) -> bool {
        match (self, other) {
            (
                Hold::Port { bind, port, protocol },
                Hold::Port { bind: other, port: other_port, protocol: other_protocol },
            ) => {
                let shared = bind == other || bind.is_unspecified() || other.is_unspecified();
                shared && port == other_port && protocol == other_protocol
            }
            (Hold::Subnet(subnet), Hold::Subnet(other)) => subnet.overlaps(*other),
            (Hold::Name { .. }, Hold::Name { .. }) => self == other,
            _ => false,
        }
    }
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Hold::Port { bind, port, protocol } if bind.is_unspecified() => {
                write!(f, "port {port}/{protocol}")
            }
            Hold::Port { bind, port, protocol } => write!(f, "port {bind}:{port}/{protocol}"),
            Hold::Subnet(subnet) => write!(f, "subnet {subnet}"),
            Hold::Name { name, .. } => write!(f, "name `{name}`"),
        }
    }
}
