//! What nothing else beside a thing can have.

use std::net::IpAddr;

use lessor_specs::Cidr;
use lessor_specs::kinds::Protocol;

/// Something only one thing of a host can have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
