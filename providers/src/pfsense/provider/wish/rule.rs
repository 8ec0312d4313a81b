//! Rules, their places, and the aliases of their ports.

use lessor_engine::ApplyError;
use lessor_plans::{Body, RuleBody};
use lessor_specs::PortRange;
use lessor_specs::kinds::{Direction, RuleAction, RuleProtocol};

use super::super::estate::{Estate, RuleParts, ports_alias};
use super::super::read;
use super::super::whose::Own;
use super::Step;
use crate::pfsense::{Alias, Edit, Place, Rule};
use crate::seen::taken;

/// The alias of its ports first, if it has several; then the rule; then what is of no use any more.
pub(super) fn put(
    step: &Step<'_>,
    estate: &Estate<'_>,
    body: &RuleBody,
) -> Result<Vec<Edit>, ApplyError> {
    let ports = ports(body)?;
    let own = estate.rules.ours_or_free("rule", &body.name)?;
    let mark = match own {
        Some(own) => {
            let seen = read::rule(estate, &body.name, &own.parts);
            let seen = seen.map_err(|why| ApplyError::Refused { why, hint: None })?;
            // Where the rule itself is missing, nothing is there that could not be changed.
            let wish = Body::Rule(body.clone());
            let seen = if own.parts.rule.is_some() { seen } else { wish.clone() };
            step.check(own, seen, &wish)?;
            own.mark.clone()
        }
        None => step.new_mark("rule", &body.name)?,
    };
    let blank = RuleParts::default();
    let there = own.map_or(&blank, |own| &own.parts);
    if let Some((own, rule)) = own.zip(there.rule)
        && let Some(descr) = own.marking(&rule.descr)
    {
        return Ok(vec![Edit::update_seen(rule, Rule { descr, ..rule.clone() }, None)]);
    }
    let alias = (ports.len() > 1).then(|| Alias {
        name: ports_alias(&body.name),
        sort: "port".into(),
        descr: mark.to_line(),
        address: ports.clone(),
        detail: Vec::new(),
    });
    if let Some(alias) = &alias
        && let Some(edit) = put_alias(estate, there, alias)?
    {
        return Ok(vec![edit]);
    }
    let destination_port = match &alias {
        Some(alias) => Some(alias.name.clone()),
        None => ports.into_iter().next(),
    };
    let wished = wished(estate, there.rule, body, destination_port, &mark.to_line())?;
    let place = place(estate, there, own.is_some(), body);
    match there.rule {
        None => return Ok(vec![Edit::create_in(wished, place)]),
        Some(rule) if *rule != wished || place.is_some() => {
            return Ok(vec![Edit::update_seen(rule, wished, place)]);
        }
        Some(_) => {}
    }
    let useless = there.ports.filter(|_| alias.is_none());
    Ok(useless.map(Edit::delete_seen).into_iter().collect())
}

/// The rule first, then the alias of its ports.
pub(super) fn delete(estate: &Estate<'_>, name: &str) -> Result<Vec<Edit>, ApplyError> {
    let Some(own) = estate.rules.ours_or_gone("rule", name)? else { return Ok(Vec::new()) };
    let rule = own.parts.rule.map(Edit::delete_seen);
    let alias = || own.parts.ports.map(Edit::delete_seen);
    Ok(rule.or_else(alias).into_iter().collect())
}

/// Its ports, as pfSense writes them.
fn ports(body: &RuleBody) -> Result<Vec<String>, ApplyError> {
    let has_ports =
        matches!(body.protocol, RuleProtocol::Tcp | RuleProtocol::Udp | RuleProtocol::TcpUdp);
    if !has_ports && !body.ports.is_empty() {
        // pfSense would drop the ports, and the rule be about every packet.
        let why = format!("rule `{}` has ports, which only TCP and UDP have", body.name);
        return Err(ApplyError::Refused { why, hint: None });
    }
    let wired = |range: &PortRange| range.to_string().replace('-', ":");
    Ok(body.ports.iter().map(wired).collect())
}

fn put_alias(
    estate: &Estate<'_>,
    parts: &RuleParts<'_>,
    wish: &Alias,
) -> Result<Option<Edit>, ApplyError> {
    let Some(alias) = parts.ports else {
        let aliases = estate.world.aliases.as_deref().unwrap_or_default();
        return match aliases.iter().find(|alias| alias.name == wish.name) {
            Some(_) => Err(taken("alias", &wish.name, "it holds no ports of a rule of ours")),
            None => Ok(Some(Edit::create(wish.clone()))),
        };
    };
    let is_wished = alias.sort == wish.sort && alias.address == wish.address;
    let wished = Alias { descr: alias.descr.clone(), ..wish.clone() };
    Ok((!is_wished).then(|| Edit::update_seen(alias, wished, None)))
}

fn wished(
    estate: &Estate<'_>,
    rule: Option<&Rule>,
    body: &RuleBody,
    destination_port: Option<String>,
    descr: &str,
) -> Result<Rule, ApplyError> {
    let tracker = body.name.parse().map_err(|_| ApplyError::Refused {
        why: format!("`{}` is no tracker of a rule", body.name),
        hint: None,
    })?;
    let blank = || Rule { tracker, descr: descr.to_owned(), ..Rule::default() };
    let action = match body.action {
        RuleAction::Pass => "pass",
        RuleAction::Block => "block",
        RuleAction::Reject => "reject",
    };
    let leaves = body.direction == Direction::Out;
    Ok(Rule {
        action: action.into(),
        interface: vec![estate.wiring.wired(&body.interface)?],
        ipprotocol: "inet".into(),
        protocol: protocol(body.protocol).map(str::to_owned),
        source: estate.wiring.wired(&body.source)?,
        source_port: None,
        destination: estate.wiring.wired(&body.destination)?,
        destination_port,
        disabled: !body.enabled,
        log: body.log,
        floating: leaves,
        quick: leaves,
        direction: leaves.then(|| "out".into()),
        ..rule.cloned().unwrap_or_else(blank)
    })
}

/// What pfSense calls it; every protocol has no name.
pub(super) fn protocol(protocol: RuleProtocol) -> Option<&'static str> {
    match protocol {
        RuleProtocol::Any => None,
        RuleProtocol::Tcp => Some("tcp"),
        RuleProtocol::Udp => Some("udp"),
        RuleProtocol::TcpUdp => Some("tcp/udp"),
        RuleProtocol::Icmp => Some("icmp"),
    }
}

/// Where it has to go; `None` when it stands where it may, or comes last by itself.
fn place(
    estate: &Estate<'_>,
    parts: &RuleParts<'_>,
    is_there: bool,
    body: &RuleBody,
) -> Option<Place<u64>> {
    let after = body.after.as_deref()?;
    let stays = is_there
        && parts.after == after
        && parts
            .rule
            .is_some_and(|rule| read::interface_of(rule, &estate.wiring) == body.interface);
    if stays {
        return None;
    }
    match after.parse() {
        Ok(tracker) => Some(Place::Behind(tracker)),
        Err(_) => first(estate, body).map(Place::Before),
    }
}

/// The first rule of ours on its interface beside it.
fn first(estate: &Estate<'_>, body: &RuleBody) -> Option<u64> {
    let is_one = |own: &&Own<RuleParts<'_>>| {
        own.mark.name != body.name
            && own
                .parts
                .rule
                .is_some_and(|rule| read::interface_of(rule, &estate.wiring) == body.interface)
    };
    let ours = estate.rules.ours.values().filter(is_one);
    let trackers: Vec<u64> = ours.filter_map(|own| own.mark.name.parse().ok()).collect();
    let mut rules = estate.world.rules.as_deref().unwrap_or_default().iter();
    rules.find(|rule| trackers.contains(&rule.tracker)).map(|rule| rule.tracker)
}
