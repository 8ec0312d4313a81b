//! What entries adopt: said as its host says it, and by one entry alone.

use std::collections::BTreeMap;

use super::{Checker, at};
use crate::quantity::Adopted;
use crate::{Address, Code, Kind};

pub(super) fn check(checker: &mut Checker<'_>) {
    adopted_once(checker);
    firewalls(checker);
    machines(checker);
}

/// No two entries stand for the same thing.
fn adopted_once(checker: &mut Checker<'_>) {
    let specs = checker.specs;
    let mut claimed = BTreeMap::new();
    for (from, place, adopted) in specs.adopted() {
        let thing = (place, from.kind(), adopted);
        if let Some(other) = claimed.insert(thing, from.clone()) {
            let sort = from.kind();
            let message = format!("`{from}` and `{other}` both adopt the {sort} `{adopted}`");
            let finding = checker.find(Code::AdoptedTwice, from, at!["adopted"], message);
            finding.also(other, at!["adopted"], "adopted here too");
            finding.hint = Some("one thing has one entry; remove the other".into());
        }
    }
}

/// Things of a firewall are known by what it calls them.
fn firewalls(checker: &mut Checker<'_>) {
    let specs = checker.specs;
    for (name, rule) in &specs.firewall_rule {
        let from = Address::new(Kind::FirewallRule, &**name);
        let expected = "the tracker of a rule, such as `1700000001`";
        checker.adopts(&from, rule.adopted.as_ref(), is_number, expected);
    }
    for (name, forward) in &specs.port_forward {
        let from = Address::new(Kind::PortForward, &**name);
        let expected = "an interface and the port it takes packets at, such as `wan.2201`";
        checker.adopts(&from, forward.adopted.as_ref(), is_port, expected);
    }
    for (name, vlan) in &specs.vlan {
        let from = Address::new(Kind::Vlan, &**name);
        let Some(parent) = &vlan.parent else {
            if vlan.adopted.is_some() {
                let why = "no firewall has it";
                checker.no_use(&from, "adopted", why, "remove it, or add `parent`");
            }
            continue;
        };
        // Its card and its tag are what a VLAN is: with others, it would be another one.
        let own = format!("{parent}.{}", vlan.id);
        let expected = format!("its own card and tag, `{own}`");
        checker.adopts(&from, vlan.adopted.as_ref(), |text| text == own, &expected);
    }
}

/// A guest is known by its id, on one cluster.
fn machines(checker: &mut Checker<'_>) {
    let specs = checker.specs;
    for (name, instance) in &specs.instance {
        let Some(adopted) = &instance.adopted else { continue };
        let from = Address::new(Kind::Instance, &**name);
        let Some(offer) = specs.offer.get(&instance.offer) else { continue };
        if offer.vm.is_none() {
            let why = "only virtual machines are adopted as instances";
            let hint = "remove it; a container that is there is adopted by a `container` entry";
            checker.no_use(&from, "adopted", why, hint);
            continue;
        }
        checker.adopts(&from, Some(adopted), is_number, "the id of a guest, such as `120`");
        if let [first, second, ..] = *specs.clusters_for(instance) {
            let message = format!(
                "`{from}` adopts guest `{adopted}` of `proxmox.{first}` or of `proxmox.{second}`"
            );
            checker.find(Code::AdoptedWhere, from, at!["adopted"], message).hint =
                Some("say its `location`, where one cluster alone stands".into());
        }
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u64>().is_ok()
}

fn is_port(text: &str) -> bool {
    let parts = text.rsplit_once('.');
    parts.is_some_and(|(interface, port)| {
        !interface.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

impl Checker<'_> {
    /// What an entry adopts is said in the words of its host.
    fn adopts(
        &mut self,
        from: &Address,
        adopted: Option<&Adopted>,
        is_good: impl Fn(&str) -> bool,
        expected: &str,
    ) {
        let Some(adopted) = adopted.filter(|adopted| !is_good(adopted.as_str())) else { return };
        let message = format!("`adopted` of `{from}` should be {expected}, found `{adopted}`");
        self.find(Code::MalformedAdopted, from.clone(), at!["adopted"], message);
    }
}
