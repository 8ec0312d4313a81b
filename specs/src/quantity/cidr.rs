use std::fmt;
use std::str::FromStr;

use ipnet::Ipv4Net;

use super::{Malformed, TextQuantity, text_quantity};
use crate::Code;

/// A range of IPv4 addresses: `10.64.0.0/16`. No bit is set behind the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr(Ipv4Net);

impl Cidr {
    /// The network of which `net` is a part; bits behind the prefix are cleared.
    pub fn new(net: Ipv4Net) -> Self {
        Cidr(net.trunc())
    }

    /// As the network library's type.
    pub const fn net(self) -> Ipv4Net {
        self.0
    }

    /// Whether any address is in both.
    pub fn overlaps(self, other: Cidr) -> bool {
        self.0.contains(&other.0) || other.0.contains(&self.0)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Cidr {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let net: Ipv4Net = text.parse().map_err(|_| {
            Malformed::new(Code::MalformedCidr, "a range of addresses such as `10.64.0.0/16`")
        })?;
        if net.trunc() != net {
            return Err(Malformed::new(
                Code::MalformedCidr,
                "a range without bits behind its prefix",
            )
            .hint(format!("write `{}`", net.trunc())));
        }
        Ok(Cidr(net))
    }
}

impl TextQuantity for Cidr {
    const FORMAT: &'static str = "cidr";
    const PATTERN: &'static str = r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}$";
    const DESCRIPTION: &'static str = "A range of IPv4 addresses, such as `10.64.0.0/16`.";
}

text_quantity!(Cidr, "Cidr");
