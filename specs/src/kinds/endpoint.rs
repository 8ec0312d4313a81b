//! Where an engine listens, and how one gets there.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::Code;
use crate::quantity::{Malformed, TextQuantity, text_quantity};

/// Where an engine listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// A socket on this machine.
    Unix(String),
    /// `host:port`.
    Tcp(String),
    /// A socket on another machine, reached over ssh.
    Ssh(SshEndpoint),
    /// A pretend host kept in this file, relative to the spec directory.
    MemoryFile(String),
    /// A pretend host that lives as long as the process.
    Memory,
}

/// A socket on another machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SshEndpoint {
    /// Whom we log in as.
    pub user: String,
    /// The machine, by name or address; an IPv6 address without its brackets.
    pub host: String,
    /// Where its ssh server listens.
    pub port: u16,
    /// The engine's socket there.
    pub socket: String,
}

impl SshEndpoint {
    /// Where an ssh server listens when nobody says otherwise.
    pub const PORT: u16 = 22;
    /// Where an engine listens when nobody says otherwise.
    pub const SOCKET: &'static str = "/var/run/docker.sock";
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Unix(path) => write!(f, "unix://{path}"),
            Endpoint::Tcp(address) => write!(f, "tcp://{address}"),
            Endpoint::Ssh(ssh) => fmt::Display::fmt(ssh, f),
            Endpoint::MemoryFile(path) => write!(f, "memory:{path}"),
            Endpoint::Memory => f.write_str("memory:"),
        }
    }
}

impl fmt::Display for SshEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SshEndpoint { user, host, port, socket } = self;
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "ssh://{user}@{open}{host}{close}")?;
        if *port != SshEndpoint::PORT {
            write!(f, ":{port}")?;
        }
        f.write_str(if socket == SshEndpoint::SOCKET { "" } else { socket })
    }
}

impl FromStr for Endpoint {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let expected = || {
            Malformed::new(
                Code::MalformedEndpoint,
                "`unix:///path`, `tcp://host:port`, `ssh://user@host`, `memory:file` or `memory:`",
            )
        };
        if let Some(path) = text.strip_prefix("unix://").filter(|path| path.starts_with('/')) {
            return Ok(Endpoint::Unix(path.into()));
        }
        if let Some(address) = text.strip_prefix("tcp://") {
            let address = address.trim_end_matches('/');
            let (host, port) = address.rsplit_once(':').ok_or_else(expected)?;
            port.parse::<u16>().map_err(|_| expected())?;
            let plain = !host.is_empty() && !host.contains(['/', '@', ' ']);
            return plain.then(|| Endpoint::Tcp(address.into())).ok_or_else(expected);
        }
        if let Some(rest) = text.strip_prefix("ssh://") {
            return ssh(rest).map(Endpoint::Ssh).ok_or_else(|| {
                Malformed::new(Code::MalformedEndpoint, "`ssh://user@host[:port][/socket]`")
            });
        }
        match text.strip_prefix("memory:") {
            Some("") => Ok(Endpoint::Memory),
            Some(path) => Ok(Endpoint::MemoryFile(path.into())),
            None => Err(expected()),
        }
    }
}

/// `user@host[:port][/socket]`.
fn ssh(text: &str) -> Option<SshEndpoint> {
    let (authority, socket) = match text.find('/') {
        Some(at) if text.len() > at + 1 => (&text[..at], &text[at..]),
        Some(at) => (&text[..at], SshEndpoint::SOCKET),
        None => (text, SshEndpoint::SOCKET),
    };
    let (user, machine) = authority.split_once('@')?;
    let (host, port) = if let Some(rest) = machine.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        (host, port.strip_prefix(':').or((port.is_empty()).then_some("22"))?)
    } else {
        machine.split_once(':').unwrap_or((machine, "22"))
    };
    let port = port.parse().ok().filter(|port| *port > 0)?;
    let is_plain = |part: &str| {
        !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "@:/[]".contains(c))
    };
    let is_address = || host.parse::<Ipv6Addr>().is_ok();
    let is_host = if machine.starts_with('[') { is_address() } else { is_plain(host) };
    (is_plain(user) && is_host).then(|| SshEndpoint {
        user: user.into(),
        host: host.into(),
        port,
        socket: socket.into(),
    })
}

impl TextQuantity for Endpoint {
    const FORMAT: &'static str = "endpoint";
    const PATTERN: &'static str =
        "^(unix:///.+|tcp://.+:[0-9]+/?|ssh://[^@/]+@[^@/]+(/.*)?|memory:.*)$";
    const DESCRIPTION: &'static str = "Where an engine listens: `unix:///path`, `tcp://host:port`, \
                                       `ssh://user@host` or `memory:file`.";
}

text_quantity!(Endpoint, "Endpoint");

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match text.parse() {
            Ok(Endpoint::Ssh(SshEndpoint { user, host, port, socket })) => {
                format!("{user} {host} {port} {socket}")
            }
            Ok(other) => other.to_string(),
            Err(malformed) => malformed.to_string(),
        }
    }

    #[test]
    fn an_ssh_endpoint_names_user_and_host_and_maybe_port_and_socket() {
        for (text, parts) in [
            ("ssh://root@10.9.0.21", "root 10.9.0.21 22 /var/run/docker.sock"),
            ("ssh://deploy@edge-1:2222/", "deploy edge-1 2222 /var/run/docker.sock"),
            (
                "ssh://deploy@edge-1/run/user/1000/docker.sock",
                "deploy edge-1 22 /run/user/1000/docker.sock",
            ),
            ("ssh://root@[2001:db8::1]:2222", "root 2001:db8::1 2222 /var/run/docker.sock"),
            ("ssh://root@[2001:db8::1]", "root 2001:db8::1 22 /var/run/docker.sock"),
        ] {
            assert_eq!(shown(text), parts);
        }
        for text in [
            "ssh://host",
            "ssh://@host",
            "ssh://a@",
            "ssh://a@b@c",
            "ssh://a@b:0",
            "ssh://a@b:x",
            "ssh://a@[b]",
            "ssh://a@[::1]x",
            "ssh://a:secret@b",
            "ssh://a@::1",
            "ssh:///sock",
        ] {
            assert!(
                shown(text).starts_with("expected `ssh://user@host["),
                "{text}: {}",
                shown(text)
            );
        }
    }

    #[test]
    fn an_endpoint_is_shown_as_short_as_it_can_be_written() {
        for text in [
            "ssh://root@h",
            "ssh://root@h:2222",
            "ssh://root@[::1]:2222",
            "ssh://root@h/run/docker.sock",
            "unix:///run/docker.sock",
            "tcp://h:2376",
            "memory:",
            "memory:host.json",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        assert_eq!("ssh://root@h:22/".parse::<Endpoint>().unwrap().to_string(), "ssh://root@h");
    }
}
