//! Other endpoints behind connections, as flags and `lessor.toml` give them.

use std::fmt;
use std::str::FromStr;

use lessor_specs::kinds::Endpoint;
use lessor_specs::quantity::{Fingerprint, HttpsUrl, Malformed};
use lessor_specs::{Address, Kind, Specs};
use serde::Deserialize;

use crate::exit::Failed;

/// Where a connection goes instead: an engine, or an API behind TLS with the certificate it shows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Redirect {
    /// Of a `docker` entry.
    Engine(Endpoint),
    /// Of a `proxmox` or `pfsense` entry: `https://host:port#sha256:…`.
    Api {
        /// Where it listens.
        url: HttpsUrl,
        /// Its certificate; the one of the entry, if none is given.
        fingerprint: Option<Fingerprint>,
    },
}

impl FromStr for Redirect {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if !text.starts_with("https://") {
            return text.parse().map(Redirect::Engine);
        }
        let (url, fingerprint) = match text.split_once('#') {
            Some((url, fingerprint)) => (url, Some(fingerprint.parse()?)),
            None => (text, None),
        };
        Ok(Redirect::Api { url: url.parse()?, fingerprint })
    }
}

impl TryFrom<String> for Redirect {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}

impl fmt::Display for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Redirect::Engine(endpoint) => endpoint.fmt(f),
            Redirect::Api { url, fingerprint: None } => url.fmt(f),
            Redirect::Api { url, fingerprint: Some(fingerprint) } => {
                write!(f, "{url}#{fingerprint}")
            }
        }
    }
}

/// Puts another endpoint behind the connection called `name`, with or without its kind.
pub(crate) fn redirect(specs: &mut Specs, name: &str, to: &Redirect) -> anyhow::Result<()> {
    let place = connection(specs, name)?;
    let docker = specs.docker.get_mut(place.name()).filter(|_| place.kind() == Kind::Docker);
    match (to, docker) {
        (Redirect::Engine(endpoint), Some(docker)) => docker.endpoint = Some(endpoint.clone()),
        (Redirect::Api { url, fingerprint }, None) => {
            let (own_url, own_fingerprint) = match place.kind() {
                Kind::Proxmox => specs
                    .proxmox
                    .get_mut(place.name())
                    .map(|e| (&mut e.endpoint, &mut e.fingerprint)),
                _ => specs
                    .pfsense
                    .get_mut(place.name())
                    .map(|e| (&mut e.endpoint, &mut e.fingerprint)),
            }
            .unzip();
            if let (Some(own_url), Some(own)) = (own_url, own_fingerprint) {
                own_url.clone_from(url);
                *own = fingerprint.or(*own);
            }
        }
        _ => {
            let message = format!("`{to}` is no endpoint for `{place}`");
            let hint = "an engine is at `unix:///…` or `tcp://…`, an API at `https://…`";
            return Err(Failed::new(message).hint(hint).into());
        }
    }
    Ok(())
}

fn connection(specs: &Specs, name: &str) -> anyhow::Result<Address> {
    let is_meant = |place: &Address| place.name() == name || place.to_string() == name;
    let meant: Vec<_> = specs.connections().filter(is_meant).collect();
    let listed = |places: &[Address]| {
        places.iter().map(|place| format!("`{place}`")).collect::<Vec<_>>().join(", ")
    };
    match meant.as_slice() {
        [place] => Ok(place.clone()),
        [] => {
            let message = format!("an endpoint is given for `{name}`, which no spec defines");
            let all: Vec<_> = specs.connections().collect();
            let hint = format!("specs define {}", listed(&all));
            Err(Failed::new(message).hint(hint).into())
        }
        several => {
            let message = format!("an endpoint is given for `{name}`, and there are several");
            let hint = format!("name one of {}", listed(several));
            Err(Failed::new(message).hint(hint).into())
        }
    }
}
