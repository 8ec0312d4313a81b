use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::{Malformed, TextQuantity, text_quantity};
use crate::Code;

/// Where an API listens behind TLS: `https://host` or `https://host:port`, with nothing behind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpsUrl {
    host: String,
    port: Option<u16>,
}

impl HttpsUrl {
    /// The host, by name or address; an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, if one is given.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

impl fmt::Display for HttpsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "https://{open}{}{close}", self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl FromStr for HttpsUrl {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let expected =
            || Malformed::new(Code::MalformedUrl, "`https://host` or `https://host:port`");
        let rest = text.strip_prefix("https://").ok_or_else(expected)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => {
                host.parse::<Ipv6Addr>().map_err(|_| expected())?;
                (host, port.strip_prefix(':').or_else(|| port.is_empty().then_some("")))
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port).filter(|port| !port.is_empty())),
                None => (rest, Some("")),
            },
        };
        let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':');
        if host.is_empty() || !host.chars().all(is_letter) {
            return Err(expected());
        }
        let port = match port.ok_or_else(expected)? {
            "" => None,
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok().filter(|port| *port > 0).ok_or_else(expected)?)
            }
            _ => return Err(expected()),
        };
        Ok(HttpsUrl { host: host.to_ascii_lowercase(), port })
    }
}

impl TextQuantity for HttpsUrl {
    const FORMAT: &'static str = "https-url";
    const PATTERN: &'static str = r"^https://[^/@\s]+/?$";
    const DESCRIPTION: &'static str =
        "Where an API listens behind TLS, such as `https://pve1.example.net:8006`.";
}

text_quantity!(HttpsUrl, "HttpsUrl");

#[cfg(test)]
mod tests {
    use super::HttpsUrl;

    #[test]
    fn a_url_is_a_host_with_or_without_a_port() {
        for (text, canonical) in [
            ("https://pve1.example.net:8006", "https://pve1.example.net:8006"),
            ("https://FW.example.net/", "https://fw.example.net"),
            ("https://10.9.0.21:443", "https://10.9.0.21:443"),
            ("https://[2001:db8::1]:8006", "https://[2001:db8::1]:8006"),
            ("https://[::1]", "https://[::1]"),
        ] {
            assert_eq!(text.parse::<HttpsUrl>().unwrap().to_string(), canonical);
        }
        for wrong in [
            "http://a",
            "https://",
            "https://a:",
            "https://a:0",
            "https://a:65536",
            "https://a:1x",
            "https://a/b",
            "https://u@a",
            "https://a b",
            "https://[::1",
            "https://[x]",
            "https://[::1]a",
        ] {
            assert!(wrong.parse::<HttpsUrl>().is_err(), "{wrong}");
        }
    }
}
