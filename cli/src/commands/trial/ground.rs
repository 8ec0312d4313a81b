//! A pretend system behind each connection of an example.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use lessor_sandbox::{Access, Options, Sandbox};
use lessor_specs::{Address, Kind, SecretRef, Specs};

/// Any free port of this machine.
const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What answers for each connection, for as long as this is kept.
pub(super) struct Ground {
    systems: BTreeMap<Address, Sandbox>,
    /// Hosts that are kept in a file.
    engines: Vec<String>,
}

impl Ground {
    /// Starts a cluster or a firewall for each that `specs` declare. Docker hosts are files.
    pub(super) async fn start(specs: &Specs) -> anyhow::Result<Ground> {
        let mut systems = BTreeMap::new();
        for place in specs.connections().filter(|place| place.kind() != Kind::Docker) {
            let is = |kind| (place.kind() == kind).then_some(ANYWHERE);
            let options = Options {
                docker: None,
                proxmox: is(Kind::Proxmox),
                pfsense: is(Kind::PfSense),
                control: ANYWHERE,
                seed: rand::random(),
                states: BTreeMap::new(),
                faults: Vec::new(),
            };
            let sandbox = Sandbox::start(options).await;
            let sandbox = sandbox.with_context(|| format!("could not pretend to be `{place}`"))?;
            systems.insert(place, sandbox);
        }
        Ok(Ground { systems, engines: specs.docker.keys().cloned().collect() })
    }

    /// How one gets into the system behind a connection.
    pub(super) fn at(&self, place: &Address) -> Option<&Access> {
        self.systems.get(place)?.announcement().systems.values().next()
    }

    /// For `--endpoint`: every connection with where it goes, commas between them.
    pub(super) fn endpoints(&self) -> String {
        let engines = self.engines.iter().map(|name| format!("docker.{name}=memory:{name}.json"));
        let systems = self.systems.keys().filter_map(|place| {
            let access = self.at(place)?;
            let fingerprint = access.fingerprint.replace(':', "");
            Some(format!("{place}={}#sha256:{fingerprint}", access.endpoint))
        });
        engines.chain(systems).collect::<Vec<_>>().join(",")
    }

    /// The credentials that the entries refer to.
    pub(super) fn secrets<'s>(&self, specs: &'s Specs) -> BTreeMap<&'s SecretRef, String> {
        let mut secrets = BTreeMap::new();
        for (name, proxmox) in &specs.proxmox {
            if let Some(access) = self.at(&Address::new(Kind::Proxmox, &**name)) {
                secrets.insert(&proxmox.token, access.token.clone());
            }
        }
        for (name, pfsense) in &specs.pfsense {
            let Some(access) = self.at(&Address::new(Kind::PfSense, &**name)) else { continue };
            let password = pfsense.password.as_ref().zip(access.password.clone());
            let key = pfsense.api_key.as_ref().map(|key| (key, access.token.clone()));
            secrets.extend(password.into_iter().chain(key));
        }
        secrets
    }

    /// Where a person gets in.
    pub(super) fn access(&self) -> String {
        let mut text = String::new();
        for place in self.systems.keys() {
            let Some(access) = self.at(place) else { continue };
            let control = &self.systems[place].announcement().control;
            let Access { endpoint, user, token, .. } = access;
            let _ = write!(
                text,
                "\n{place}\n  {endpoint}  as {user}, with the token {token}\n  \
                 what goes wrong there is said at {control}\n"
            );
        }
        text
    }
}
