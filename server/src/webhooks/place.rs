//! Where an endpoint may be: somewhere on the open internet, whatever its name says.
//!
//! A customer chooses the name, and whoever answers for the name chooses the address. So neither is
//! believed: every address a name leads to is looked at, each time, and the one that is connected to
//! is one that was looked at.

use std::net::{IpAddr, SocketAddr};

use axum::http::Uri;
use ipnet::IpNet;
use tokio::net::lookup_host;

/// The longest address that is taken.
const LONGEST: usize = 2_000;

/// What is said of any address that is not one to connect to. What its name leads to is nobody's
/// business: it may be a name of our own network.
pub(super) const NOWHERE: &str = "its name leads to no public address";

/// Networks that are not the open internet, by the registries of special addresses; and one address
/// in it at which a hosting company tells machines of theirs about themselves.
const CLOSED: [&str; 21] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "2620:4f:8000::/48",
];

/// All that is open of version 6.
const OPEN_6: &str = "2000::/3";

/// Where to knock, as a customer wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) is_tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// With its query.
    pub(super) path: String,
}

impl Endpoint {
    /// Reads one.
    ///
    /// # Errors
    /// What was expected.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let expected = "expected an address such as `https://example.net/hooks`";
        if text.len() > LONGEST || text.contains('#') {
            return Err(expected);
        }
        let uri: Uri = text.parse().map_err(|_| expected)?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(expected),
        };
        let authority = uri.authority().ok_or(expected)?;
        if authority.as_str().contains('@') {
            return Err("expected an address without a password");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = match authority.as_str()[authority.host().len()..].strip_prefix(':') {
            Some(port) => port.parse().map_err(|_| expected)?,
            None if is_tls => 443,
            None => 80,
        };
        if host.is_empty() || port == 0 {
            return Err(expected);
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Endpoint { is_tls, host, port, path })
    }

    /// Whether it could be told from its text alone that nothing is sent there.
    pub(super) fn is_hopeless(&self, allowed: &[IpNet]) -> bool {
        let literal = self.host.parse::<IpAddr>().ok();
        literal.is_some_and(|address| !self.may_be(address, allowed))
            || (!self.is_tls && allowed.is_empty())
    }

    /// An address to connect to. Every one that the name leads to has to be open: one that leads
    /// inside as well is meant to.
    pub(super) async fn resolve(&self, allowed: &[IpNet]) -> Result<SocketAddr, &'static str> {
        let found = lookup_host((self.host.as_str(), self.port)).await.map_err(|_| NOWHERE)?;
        let found: Vec<_> = found.collect();
        if !found.iter().all(|address| self.may_be(address.ip(), allowed)) {
            return Err(NOWHERE);
        }
        found.first().copied().ok_or(NOWHERE)
    }

    /// Whether it may be at an address. Without TLS, only where the operator says so: anybody on the
    /// way could read along.
    fn may_be(&self, address: IpAddr, allowed: &[IpNet]) -> bool {
        let address = address.to_canonical();
        let is_allowed = allowed.iter().any(|network| network.contains(&address));
        is_allowed || self.is_tls && is_open(address)
    }
}

/// Whether an address is on the open internet.
fn is_open(address: IpAddr) -> bool {
    let within = |network: &str| network.parse::<IpNet>().is_ok_and(|net| net.contains(&address));
    let is_closed = CLOSED.iter().any(|network| within(network));
    !is_closed && (address.is_ipv4() || within(OPEN_6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_on_the_open_internet_is_told_however_it_is_written() {
        let closed = [
            "127.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "203.0.113.9",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "fec0::1",
            "100::1",
        ];
        for address in closed {
            assert!(!is_open(address.parse::<IpAddr>().unwrap().to_canonical()), "{address}");
        }
        for address in ["1.1.1.1", "172.15.0.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111"] {
            assert!(is_open(address.parse().unwrap()), "{address}");
        }
        for address in ["2001:2::1", "2001:10::1", "2001:20::1", "2001:1ff::1", "2001:db8::1"] {
            assert!(!is_open(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn every_closed_network_is_one_and_lies_in_no_other() {
        let networks = CLOSED.map(|network| network.parse::<IpNet>().unwrap());
        for network in networks {
            let around = networks.iter().filter(|around| around.contains(&network));
            assert_eq!(around.collect::<Vec<_>>(), [&network]);
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_followed_unless_the_operator_says_so() {
        let inside = ["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        for text in [
            "https://localhost/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://127.1/",
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!(endpoint.resolve(&[]).await, Err(NOWHERE), "{text}");
        }
        let plain = Endpoint::parse("http://127.0.0.1:8080/hooks").unwrap();
        assert!(plain.is_hopeless(&[]) && !plain.is_hopeless(&inside));
        let address = plain.resolve(&inside).await.unwrap();
        assert_eq!(address.to_string(), "127.0.0.1:8080");
        // Allowing one network allows no plain text elsewhere.
        let elsewhere = Endpoint::parse("http://1.1.1.1/").unwrap();
        assert!(elsewhere.is_hopeless(&inside));
        assert_eq!(elsewhere.resolve(&inside).await, Err(NOWHERE));
        assert!(elsewhere.resolve(&[]).await.is_err());
    }

    #[test]
    fn an_endpoint_is_an_address_of_the_web_without_a_password() {
        let read = |text: &str| Endpoint::parse(text).map(|e| (e.host, e.port, e.path));
        let hooks = ("example.net".to_owned(), 443, "/hooks?of=acme".to_owned());
        assert_eq!(read("https://example.net/hooks?of=acme"), Ok(hooks));
        assert_eq!(read("https://[2606:4700::1]:8443").unwrap().1, 8443);
        for text in [
            "",
            "example.net",
            "ftp://example.net",
            "https://",
            "https://a@example.net/",
            "https://example.net:0/",
            "https://example.net:99999/",
            "https://example.net/#x",
            "file:///etc/passwd",
            "https://exa mple.net/",
            "https://example.net/\r\nx: y",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
