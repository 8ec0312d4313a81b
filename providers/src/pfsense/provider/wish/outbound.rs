//! Other sources for packets that leave.

use lessor_engine::ApplyError;
use lessor_plans::{Body, OutboundBody};

use super::super::estate::Estate;
use super::super::read;
use super::Step;
use crate::pfsense::{Edit, OutboundMapping, OutboundMode};

/// One object, and the mode in which it counts.
pub(super) fn put(
    step: &Step<'_>,
    estate: &Estate<'_>,
    body: &OutboundBody,
) -> Result<Vec<Edit>, ApplyError> {
    let mode = mode(estate, body)?;
    let wished = wished(estate, body)?;
    let own = estate.outbound.ours_or_free("outbound mapping", &body.name)?;
    let edit = match own {
        None => {
            let descr = step.new_mark("outbound mapping", &body.name)?.to_line();
            Some(Edit::create(wished(OutboundMapping { descr, ..OutboundMapping::default() })))
        }
        Some(own) => {
            // What cannot be read can be put right all the same.
            if let Ok(seen) = read::outbound(estate, &body.name, own.parts) {
                step.check(own, seen, &Body::Outbound(body.clone()))?;
            }
            let wished = wished(own.parts.clone());
            (wished != *own.parts).then(|| Edit::update_seen(own.parts, wished, None))
        }
    };
    Ok(mode.into_iter().chain(edit).collect())
}

/// The one object. In its mode, the firewall goes on as it did before with what it makes itself.
pub(super) fn delete(estate: &Estate<'_>, name: &str) -> Result<Vec<Edit>, ApplyError> {
    let own = estate.outbound.ours_or_gone("outbound mapping", name)?;
    Ok(own.map(|own| Edit::delete_seen(own.parts)).into_iter().collect())
}

/// Where only the firewall's own mappings count, ours are made to count before them.
fn mode(estate: &Estate<'_>, body: &OutboundBody) -> Result<Option<Edit>, ApplyError> {
    let mode = estate.world.outbound_mode.as_ref().map_err(Clone::clone)?;
    match mode {
        OutboundMode::Hybrid | OutboundMode::Advanced => Ok(None),
        OutboundMode::Automatic => Ok(Some(Edit::OutboundMode(OutboundMode::Hybrid))),
        OutboundMode::Disabled => Err(ApplyError::Refused {
            why: format!("`{}` cannot count: outbound NAT is switched off", body.name),
            hint: Some(
                "somebody switched it off at the firewall, under Firewall > NAT > Outbound: choose \
                 the hybrid mode there, or remove the entry"
                    .into(),
            ),
        }),
    }
}

fn wished(
    estate: &Estate<'_>,
    body: &OutboundBody,
) -> Result<impl Fn(OutboundMapping) -> OutboundMapping, ApplyError> {
    let interface = estate.wiring.wired(&body.interface)?;
    let (source, destination) = (range(&body.source), range(&body.destination));
    let (target, bits) = match body.target {
        Some(target) => (target.net().addr().to_string(), Some(target.net().prefix_len())),
        None => (format!("{interface}:ip"), None),
    };
    let disabled = !body.enabled;
    Ok(move |mapping: OutboundMapping| OutboundMapping {
        interface: interface.clone(),
        protocol: None,
        disabled,
        nonat: false,
        source: source.clone(),
        source_port: None,
        destination: destination.clone(),
        destination_port: None,
        target: Some(target.clone()),
        target_subnet: bits,
        ..mapping
    })
}

/// It takes ranges alone.
fn range(end: &str) -> String {
    let is_address = end.parse::<std::net::Ipv4Addr>().is_ok();
    if is_address { format!("{end}/32") } else { end.to_owned() }
}
