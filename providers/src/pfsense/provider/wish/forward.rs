//! Port forwards.

use lessor_engine::ApplyError;
use lessor_plans::{Body, ForwardBody};

use super::super::estate::Estate;
use super::super::read;
use super::{Step, rule};
use crate::pfsense::{Edit, LinkedRule, PortForward};

/// One object. It lets in what it forwards, without a rule beside it that could be left over.
pub(super) fn put(
    step: &Step<'_>,
    estate: &Estate<'_>,
    body: &ForwardBody,
) -> Result<Vec<Edit>, ApplyError> {
    let interface = estate.wiring.wired(&body.interface)?;
    let source = estate.wiring.wired(&body.source)?;
    let wished = |forward: PortForward| PortForward {
        destination: format!("{interface}:ip"),
        interface: interface.clone(),
        ipprotocol: "inet".into(),
        protocol: rule::protocol(body.protocol).unwrap_or("any").into(),
        source,
        source_port: None,
        destination_port: Some(body.port.to_string()),
        target: body.target.to_string(),
        local_port: Some(body.target_port.to_string()),
        disabled: !body.enabled,
        ..forward
    };
    let Some(own) = estate.forwards.ours_or_free("port forward", &body.name)? else {
        let descr = step.new_mark("port forward", &body.name)?.to_line();
        let associated_rule_id = LinkedRule::Pass;
        let blank = PortForward { descr, associated_rule_id, ..PortForward::default() };
        return Ok(vec![Edit::create(wished(blank))]);
    };
    let seen = read::forward(estate, &body.name, own.parts);
    // What cannot be read can be put right all the same.
    if let Ok(seen) = seen {
        step.check(own, seen, &Body::Forward(body.clone()))?;
    }
    if let Some(descr) = own.marking(&own.parts.descr) {
        let marked = PortForward { descr, ..own.parts.clone() };
        return Ok(vec![Edit::update_seen(own.parts, marked, None)]);
    }
    let wished = wished(own.parts.clone());
    let differs = wished != *own.parts;
    Ok(differs.then(|| Edit::update_seen(own.parts, wished, None)).into_iter().collect())
}

/// The one object.
pub(super) fn delete(estate: &Estate<'_>, name: &str) -> Result<Vec<Edit>, ApplyError> {
    let own = estate.forwards.ours_or_gone("port forward", name)?;
    Ok(own.map(|own| Edit::delete_seen(own.parts)).into_iter().collect())
}
