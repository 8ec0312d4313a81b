//! The rules before a guest: what comes to it passes only where one of them says so.

use lessor_engine::ApplyError;
use lessor_plans::{GuestBody, GuestRule};
use lessor_specs::PortRange;
use lessor_specs::kinds::{RuleAction, RuleProtocol};

use super::client::{CallError, Client, FirewallOptions, Form, Guest, Rule, RuleList};
use super::error::refused;
use super::property::Property;
use super::read::flag;

/// What stands before the name of a rule in its comment.
const OURS: &str = "lessor ";

/// What filters before a guest.
pub(super) struct Filter {
    options: FirewallOptions,
    list: RuleList,
}

/// One step towards the rules that are wished.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RuleStep {
    /// Filtering is switched on, and lets nothing in by itself.
    SwitchOn,
    /// The rule at that place goes.
    Remove(usize),
    /// A rule comes before all others.
    Insert(Box<Rule>),
}

impl Filter {
    pub(super) async fn read(client: &Client, guest: &Guest) -> Result<Filter, CallError> {
        let options = client.firewall_options(guest).await?;
        let list = client.firewall_rules(guest).await?;
        Ok(Filter { options, list })
    }

    /// The rules about what comes in, in order; `None` while nothing is filtered at all.
    pub(super) fn rules(&self, card: &Property) -> Option<Vec<GuestRule>> {
        (self.is_on() && flag(card.get("firewall")))
            .then(|| bodies(self.incoming().map(|(_, r)| r)))
    }

    /// What comes next on the way to the rules of a wish.
    ///
    /// # Errors
    /// When there is a rule that cannot be written.
    pub(super) fn next(&self, wish: &GuestBody) -> Result<Option<RuleStep>, ApplyError> {
        let Some(rules) = &wish.firewall else { return Ok(None) };
        let wished = wished(wish, rules)?;
        let there: Vec<(usize, &Rule)> = self.incoming().collect();
        // New rules come first, so what is there already has to be the end of what is wished.
        let kept = { there.iter().rev() }
            .zip(wished.iter().rev())
            .take_while(|((_, there), wished)| *there == *wished)
            .count();
        if let Some((place, _)) = there.len().checked_sub(kept + 1).map(|last| there[last]) {
            return Ok(Some(RuleStep::Remove(place)));
        }
        if let Some(missing) = wished.len().checked_sub(kept + 1) {
            return Ok(Some(RuleStep::Insert(Box::new(wished[missing].clone()))));
        }
        Ok((!self.is_on()).then_some(RuleStep::SwitchOn))
    }

    /// Takes one step, if nobody else changed anything since this was read.
    pub(super) async fn take(
        &self,
        step: &RuleStep,
        client: &Client,
        guest: &Guest,
    ) -> Result<(), CallError> {
        match step {
            RuleStep::SwitchOn => {
                let form = Form::new().with_switch("enable", true).with("policy_in", "DROP");
                client.firewall_set_options(guest, self.options.digest.as_deref(), form).await
            }
            RuleStep::Remove(place) => {
                client.firewall_delete(guest, *place, self.list.digest.as_deref()).await
            }
            RuleStep::Insert(rule) => client.firewall_insert_first(guest, rule).await,
        }
    }

    fn is_on(&self) -> bool {
        let policy = self.options.policy_in.as_deref();
        self.options.enable == Some(true) && policy.is_none_or(|policy| policy == "DROP")
    }

    /// Rules about what comes in, each with its place. What goes out is the guest's own business.
    fn incoming(&self) -> impl Iterator<Item = (usize, &Rule)> {
        self.list.rules.iter().enumerate().filter(|(_, rule)| matches!(&*rule.sort, "in" | "group"))
    }
}

/// Rules as they are written.
fn wished(wish: &GuestBody, rules: &[GuestRule]) -> Result<Vec<Rule>, ApplyError> {
    let mut written = Vec::new();
    for rule in rules {
        if rule.protocol == RuleProtocol::Any && !rule.ports.is_empty() {
            let (name, guest) = (&rule.name, &wish.name);
            return Err(refused(
                format!("rule `{name}` before guest `{guest}` names ports and no protocol"),
                "give the template a `protocol`, such as `tcp`",
            ));
        }
        written.extend(protocols(rule.protocol).iter().map(|proto| one(rule, *proto)));
    }
    Ok(written)
}

fn protocols(protocol: RuleProtocol) -> &'static [Option<&'static str>] {
    match protocol {
        RuleProtocol::Any => &[None],
        RuleProtocol::Tcp => &[Some("tcp")],
        RuleProtocol::Udp => &[Some("udp")],
        RuleProtocol::TcpUdp => &[Some("tcp"), Some("udp")],
        RuleProtocol::Icmp => &[Some("icmp")],
    }
}

fn one(rule: &GuestRule, proto: Option<&str>) -> Rule {
    let ports: Vec<String> =
        rule.ports.iter().map(|range| range.to_string().replace('-', ":")).collect();
    Rule {
        sort: "in".into(),
        action: match rule.action {
            RuleAction::Pass => "ACCEPT",
            RuleAction::Block => "DROP",
            RuleAction::Reject => "REJECT",
        }
        .into(),
        enable: true,
        proto: proto.map(str::to_owned),
        source: (rule.source != "any").then(|| rule.source.clone()),
        dport: (!ports.is_empty()).then(|| ports.join(",")),
        log: Some(if rule.log { "info" } else { "nolog" }.into()),
        comment: Some(format!("{OURS}{}", rule.name)),
        ..Rule::default()
    }
}

/// Rules as they were wished, where they read like ours; others under what they look like.
fn bodies<'r>(rules: impl Iterator<Item = &'r Rule>) -> Vec<GuestRule> {
    let mut bodies: Vec<GuestRule> = Vec::new();
    for rule in rules {
        let body = body(rule);
        match bodies.last_mut() {
            // One for TCP and one for UDP are one.
            Some(last)
                if last.protocol == RuleProtocol::Tcp
                    && body.protocol == RuleProtocol::Udp
                    && GuestRule { protocol: RuleProtocol::Tcp, ..body.clone() } == *last =>
            {
                last.protocol = RuleProtocol::TcpUdp;
            }
            _ => bodies.push(body),
        }
    }
    bodies
}

fn body(rule: &Rule) -> GuestRule {
    let read = || {
        let body = GuestRule {
            name: rule.comment.as_deref()?.strip_prefix(OURS)?.to_owned(),
            protocol: match rule.proto.as_deref() {
                None => RuleProtocol::Any,
                Some("tcp") => RuleProtocol::Tcp,
                Some("udp") => RuleProtocol::Udp,
                Some("icmp") => RuleProtocol::Icmp,
                Some(_) => return None,
            },
            source: rule.source.clone().unwrap_or_else(|| "any".into()),
            ports: ports(rule.dport.as_deref())?,
            action: match rule.action.as_str() {
                "ACCEPT" => RuleAction::Pass,
                "DROP" => RuleAction::Block,
                "REJECT" => RuleAction::Reject,
                _ => return None,
            },
            log: rule.log.as_deref() == Some("info"),
        };
        (one(&body, rule.proto.as_deref()) == *rule).then_some(body)
    };
    read().unwrap_or_else(|| GuestRule {
        name: format!("(not ours) {}", shown(rule)),
        protocol: RuleProtocol::Any,
        source: rule.source.clone().unwrap_or_else(|| "any".into()),
        ports: Vec::new(),
        action: RuleAction::Pass,
        log: false,
    })
}

fn ports(text: Option<&str>) -> Option<Vec<PortRange>> {
    let parts = text.into_iter().flat_map(|text| text.split(','));
    parts.map(|part| part.replace(':', "-").parse().ok()).collect()
}

/// A rule of anybody, in one line.
fn shown(rule: &Rule) -> String {
    let given =
        |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name} {value}"));
    let off = (!rule.enable).then(|| "off".to_owned());
    let parts = [
        off,
        given(&rule.sort, &Some(rule.action.clone())),
        given("macro", &rule.named),
        given("proto", &rule.proto),
        given("from", &rule.source),
        given("to", &rule.dest),
        given("sport", &rule.sport),
        given("dport", &rule.dport),
        given("on", &rule.iface),
        given("comment", &rule.comment),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
