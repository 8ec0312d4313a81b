//! What others hold on an engine that could stand in the way.

use std::collections::BTreeSet;

use bollard::models::{PortSummary, PortSummaryTypeEnum};
use lessor_plans::{Hold, Mark, Observation, Stranger, Wanted};
use lessor_specs::kinds::Protocol;

use super::Docker;
use super::client::CallError;
use super::look::{essentials, gap};
use super::read::{self, sorted};
use super::whose::{sorted_or_empty, volume_id};
use crate::seen::{adopted_ids, held, missing};

/// What others hold, looked up only when something desired was not found among ours.
pub(super) async fn strangers(docker: &Docker, wanted: &[Wanted], seen: &mut Observation) {
    let adopted: BTreeSet<String> = adopted_ids(seen).map(str::to_owned).collect();
    for (sort, names) in missing(wanted, seen) {
        let found = match sort {
            "container" => strange_containers(docker, &names, &adopted).await,
            "network" => strange_networks(docker, &names, &adopted).await,
            _ => strange_volumes(docker, &names, &adopted).await,
        };
        match found {
            Ok(strangers) => seen.strangers.extend(strangers),
            Err(error) => seen.gaps.push(gap(docker, &format!("{sort}s of others"), &error)),
        }
    }
}

async fn strange_containers(
    docker: &Docker,
    wanted: &BTreeSet<String>,
    adopted: &BTreeSet<String>,
) -> Result<Vec<Stranger>, CallError> {
    let mut strangers = Vec::new();
    for summary in docker.client.containers(None).await? {
        let Some((id, name, labels)) = essentials(&summary) else {
            return Err(CallError::Garbled("a container has no name".into()));
        };
        if adopted.contains(&id) || Mark::from_labels(&labels, &docker.installation, &name).is_ok()
        {
            continue;
        }
        let ports = summary.ports.iter().flatten().filter_map(port_hold);
        strangers.extend(held("container", &name, wanted, ports));
    }
    Ok(strangers)
}

/// What networks of others hold: names that are wanted here, and every subnet.
pub(super) async fn strange_networks(
    docker: &Docker,
    wanted: &BTreeSet<String>,
    adopted: &BTreeSet<String>,
) -> Result<Vec<Stranger>, CallError> {
    let mut strangers = Vec::new();
    for network in docker.client.networks(None).await? {
        let Some(name) = &network.name else {
            return Err(CallError::Garbled("a network has no name".into()));
        };
        let labels = sorted_or_empty(network.labels.as_ref());
        let is_adopted = network.id.as_ref().is_some_and(|id| adopted.contains(id));
        if is_adopted || Mark::from_labels(&labels, &docker.installation, name).is_ok() {
            continue;
        }
        let subnets = read::subnets(network.ipam.as_ref()).map(Hold::Subnet);
        strangers.extend(held("network", name, wanted, subnets));
    }
    Ok(strangers)
}

async fn strange_volumes(
    docker: &Docker,
    wanted: &BTreeSet<String>,
    adopted: &BTreeSet<String>,
) -> Result<Vec<Stranger>, CallError> {
    let volumes = docker.client.volumes(None).await?;
    let strange = volumes.iter().filter(|volume| {
        !adopted.contains(volume_id(&volume.name))
            && Mark::from_labels(&sorted(&volume.labels), &docker.installation, &volume.name)
                .is_err()
    });
    Ok(strange.flat_map(|volume| held("volume", &volume.name, wanted, [])).collect())
}

fn port_hold(port: &PortSummary) -> Option<Hold> {
    let protocol = match port.typ? {
        PortSummaryTypeEnum::TCP => Protocol::Tcp,
        PortSummaryTypeEnum::UDP => Protocol::Udp,
        PortSummaryTypeEnum::SCTP | PortSummaryTypeEnum::EMPTY => return None,
    };
    let bind = port.ip.as_deref().unwrap_or("0.0.0.0").parse().ok()?;
    Some(Hold::Port { bind, port: port.public_port?, protocol })
}
