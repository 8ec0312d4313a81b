//! Ports of the host.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::addresses::PORTS;
use crate::docker::containers::Container;
use crate::docker::refusal::{Done, Refusal};
use crate::docker::state::State;
use crate::docker::wire::{Binding, Config, HostConfig};

/// A port of the host that leads to one of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::docker) struct Published {
    /// `80/tcp`.
    pub(in crate::docker) inner: String,
    pub(in crate::docker) host_ip: String,
    pub(in crate::docker) host_port: u16,
}

impl Published {
    fn clashes(&self, other: &Published) -> bool {
        let protocol = |port: &Published| {
            port.inner.split_once('/').map_or("tcp", |(_, protocol)| protocol).to_owned()
        };
        self.host_port == other.host_port
            && self.host_ip == other.host_ip
            && protocol(self) == protocol(other)
    }
}

fn invalid(port: &str) -> Refusal {
    Refusal::invalid(format!("invalid port specification: {port:?}"))
}

/// The ports in a text such as `80` or `8000-8010`.
fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

/// That the ports somebody asks for are ports.
pub(in crate::docker) fn check_bindings(host: &HostConfig) -> Done<()> {
    for (inner, bindings) in host.port_bindings.iter().flatten() {
        let port = inner.split('/').next().unwrap_or_default();
        if range(port).is_none() {
            return Err(invalid(port));
        }
        for binding in bindings.iter().flatten() {
            if !binding.host_port.is_empty() && range(&binding.host_port).is_none() {
                return Err(invalid(&binding.host_port));
            }
        }
    }
    Ok(())
}

/// The ports a container shows, and the places on the host it asks for. Who asks for a place and does
/// not show the port gets none.
pub(in crate::docker) fn wanted(
    config: &Config,
    host: &HostConfig,
) -> BTreeMap<String, Vec<Binding>> {
    let exposed = config.exposed_ports.iter().flat_map(|ports| &ports.0);
    let exposed = exposed.map(|port| (normal(port), Vec::new()));
    let mut wanted: BTreeMap<String, Vec<Binding>> = exposed.collect();
    for (port, bindings) in host.port_bindings.iter().flatten() {
        if let Some(places) = wanted.get_mut(&normal(port)) {
            places.extend(bindings.iter().flatten().cloned());
        }
    }
    if host.publish_all_ports {
        for bindings in wanted.values_mut().filter(|bindings| bindings.is_empty()) {
            bindings.push(Binding::default());
        }
    }
    wanted
}

/// `80` is `80/tcp`.
fn normal(port: &str) -> String {
    if port.contains('/') { port.to_owned() } else { format!("{port}/tcp") }
}

impl State {
    /// Takes all ports of the host that a container asks for, or none.
    pub(in crate::docker) fn publish(&mut self, container: &Container) -> Done<Vec<Published>> {
        let mut taken: Vec<Published> =
            self.containers.values().flat_map(|other| other.published.clone()).collect();
        let mut published = Vec::new();
        for (inner, bindings) in wanted(&container.config, &container.host) {
            for binding in bindings {
                let fits = |port: &Published| !taken.iter().any(|other| other.clashes(port));
                let places = self.place(&inner, &binding, fits)?;
                taken.extend(places.iter().cloned());
                published.extend(places);
            }
        }
        Ok(published)
    }

    /// The port that is asked for, or any free one, on each address that is meant.
    fn place(
        &mut self,
        inner: &str,
        binding: &Binding,
        fits: impl Fn(&Published) -> bool,
    ) -> Done<Vec<Published>> {
        let ip = binding.host_ip.parse::<IpAddr>().ok();
        let ips: Vec<String> = match ip {
            Some(ip) => vec![ip.to_string()],
            // Nothing said, or nothing sensible: everywhere.
            None => vec!["0.0.0.0".into(), "::".into()],
        };
        let at = |host_port: u16| -> Vec<Published> {
            let at = |host_ip: &String| Published {
                inner: inner.to_owned(),
                host_ip: host_ip.clone(),
                host_port,
            };
            ips.iter().map(at).collect()
        };
        let wanted = range(&binding.host_port).filter(|(first, _)| *first > 0);
        if let Some((first, last)) = wanted {
            let free = (first..=last).map(at).find(|places| places.iter().all(&fits));
            return free.ok_or_else(|| {
                let ip = &ips[0];
                Refusal::failed(format!("Bind for {ip}:{first} failed: port is already allocated"))
            });
        }
        let all = (self.last_port.saturating_add(1)..=PORTS.1).chain(PORTS.0..=self.last_port);
        let free = all.map(at).find(|places| places.iter().all(&fits));
        let places = free.ok_or_else(|| Refusal::failed("all ports are allocated"))?;
        self.last_port = places[0].host_port;
        Ok(places)
    }
}
