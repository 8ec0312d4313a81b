//! One thing, or many that are alike.

use lessor_specs::{Address, Kind};

use super::clean;
use crate::render::Symbol;
use crate::{Body, Naming, name_for};

/// The longest title; the tooltip has it in full.
const TITLE_MAX: usize = 56;

/// How many of the things of a folded node a tooltip names.
const NAMED: usize = 12;

/// One thing, or many that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The addresses of its things, in order. Never empty.
    pub(super) members: Vec<Address>,
    pub(super) place: Address,
    pub(super) class: Option<Address>,
    /// `image`, `network`, `volume` or `container`.
    pub(super) sort: &'static str,
    /// What the provider knows it by.
    pub(super) name: String,
    /// What there is to know: “memory 2GiB”.
    pub(super) facts: Vec<String>,
    /// What a plan would do about it.
    pub(super) mark: Option<Symbol>,
}

impl Node {
    pub(super) fn new(
        address: &Address,
        place: &Address,
        class: Option<&Address>,
        body: &Body,
    ) -> Node {
        // Ports and subnets that are handed out are settled by a plan, and not before.
        let is_settled = matches!(address.kind(), Kind::Container | Kind::Network);
        Node {
            members: vec![address.clone()],
            place: place.clone(),
            class: class.cloned(),
            sort: body.sort(),
            name: body.name().to_owned(),
            facts: facts(body, is_settled),
            mark: None,
        }
    }

    /// A volume of which no more is known than that it is there.
    pub(super) fn bare(address: &Address, place: &Address) -> Node {
        Node {
            members: vec![address.clone()],
            place: place.clone(),
            class: None,
            sort: "volume",
            name: name_for(Naming::Docker, address),
            facts: Vec::new(),
            mark: None,
        }
    }

    /// The first of its addresses; the only one, unless it is folded.
    pub(super) fn address(&self) -> &Address {
        &self.members[0]
    }

    pub(super) fn kind(&self) -> Kind {
        self.address().kind()
    }

    /// What stands first in its box: the address, or how many of what.
    pub(super) fn title(&self) -> String {
        let title = match self.members.len() {
            1 => self.address().to_string(),
            count => format!("{count} × {}", pattern(&self.members)),
        };
        let mark = self.mark.map(|mark| format!("{} ", mark.as_char()));
        mark.unwrap_or_default() + &elided(&clean(&title))
    }

    /// What stands below: what it is one of, or what it runs.
    pub(super) fn subtitle(&self) -> Option<String> {
        let class = self.class.as_ref().map(ToString::to_string);
        class.or_else(|| self.facts.first().cloned()).map(|text| elided(&clean(&text)))
    }

    /// Everything that is known about it, one line each.
    pub(super) fn tooltip(&self) -> Vec<String> {
        let mut lines = match self.members.as_slice() {
            [only] => vec![only.to_string()],
            many => vec![format!("{} alike: {}", many.len(), pattern(many))],
        };
        lines.extend(self.mark.map(|mark| meaning(mark).to_owned()));
        lines.extend(self.class.iter().map(|class| format!("of {class}")));
        lines.extend(self.facts.iter().cloned());
        if self.members.len() > 1 {
            lines.extend(self.members.iter().take(NAMED).map(ToString::to_string));
        }
        if let Some(more) = self.members.len().checked_sub(NAMED + 1) {
            lines.push(format!("… and {} more", more + 1));
        }
        lines.iter().map(|line| clean(line)).collect()
    }
}

/// A mark, in words.
pub(super) fn meaning(mark: Symbol) -> &'static str {
    match mark {
        Symbol::Add => "will be made",
        Symbol::Change => "will be changed",
        Symbol::Replace => "will be replaced",
        Symbol::Remove => "will be removed",
        Symbol::Drift => "was changed outside, will be set back",
        Symbol::Note => "no longer declared, its data is kept",
    }
}

/// What there is to know about a body. What is handed out is said once it is settled.
pub(super) fn facts(body: &Body, is_settled: bool) -> Vec<String> {
    let mut facts = Vec::new();
    match body {
        Body::Container(container) => {
            facts.push(container.image.clone());
            facts.extend(container.cpu.map(|cpu| format!("cpu {cpu}")));
            facts.extend(container.memory.map(|memory| format!("memory {memory}")));
        }
        Body::Guest(guest) => {
            facts.push(guest.made_from.image.clone());
            facts.push(format!("cpu {}", guest.cpu));
            facts.push(format!("memory {}", guest.memory));
        }
        Body::Rule(rule) => facts.extend(rule.facts()),
        Body::Image(_)
        | Body::Network(_)
        | Body::Volume(_)
        | Body::Pool(_)
        | Body::Vnet(_)
        | Body::Vlan(_)
        | Body::Alias(_)
        | Body::Forward(_)
        | Body::PublicAddress(_)
        | Body::Mapping(_)
        | Body::Outbound(_)
        | Body::Tunnel(_) => {}
    }
    if is_settled {
        facts.extend(body.holds().iter().map(ToString::to_string));
    }
    facts
}

/// What addresses of one kind have in common: `instance.*/lobby`, `container.app-*`.
fn pattern(members: &[Address]) -> String {
    let kind = members[0].kind();
    let parts = |address: &Address| -> Vec<String> {
        address.name().split('/').map(str::to_owned).collect()
    };
    let first = parts(&members[0]);
    let rest: Vec<_> = members[1..].iter().map(parts).collect();
    if rest.iter().any(|other| other.len() != first.len()) {
        return format!("{kind}.*");
    }
    let common = first.iter().enumerate().map(|(n, part)| {
        let others = rest.iter().map(|other| other[n].as_str());
        common(part, others)
    });
    format!("{kind}.{}", common.collect::<Vec<_>>().join("/"))
}

/// How texts begin and end alike, with a star between. Numbers are never cut in two.
fn common<'t>(first: &'t str, others: impl Iterator<Item = &'t str> + Clone) -> String {
    if others.clone().all(|other| other == first) {
        return first.to_owned();
    }
    let shortest = others.clone().map(str::len).min().unwrap_or(0).min(first.len());
    let same = |a: &[u8], b: &[u8]| a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let back = |text: &str| text.bytes().rev().collect::<Vec<_>>();
    let begin = others.clone().map(|other| same(first.as_bytes(), other.as_bytes())).min();
    let begin = begin.unwrap_or(0).min(shortest);
    let end = others.map(|other| same(&back(first), &back(other))).min().unwrap_or(0);
    let end = end.min(shortest - begin);
    // A character of several bytes counts only as a whole.
    let begin = first.floor_char_boundary(begin);
    let end = first.len() - first.ceil_char_boundary(first.len() - end);
    let is_digit = |c: char| c.is_ascii_digit();
    let begin = first[..begin].trim_end_matches(is_digit);
    let end = first[first.len() - end..].trim_start_matches(is_digit);
    format!("{begin}*{end}")
}

/// The beginning and the end of what is too long.
fn elided(text: &str) -> String {
    let count = text.chars().count();
    if count <= TITLE_MAX {
        return text.to_owned();
    }
    let half = (TITLE_MAX - 1) / 2;
    let begin: String = text.chars().take(half).collect();
    let end: String = text.chars().skip(count - half).collect();
    format!("{begin}…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alike_names_are_told_by_what_they_share() {
        let pattern = |names: &[&str]| {
            let members: Vec<Address> = names.iter().map(|name| name.parse().unwrap()).collect();
            pattern(&members)
        };
        assert_eq!(pattern(&["container.app-0010", "container.app-0020"]), "container.app-*");
        assert_eq!(pattern(&["instance.acme/s-1", "instance.globex/s-2"]), "instance.*/s-*");
        assert_eq!(pattern(&["volume.a", "volume.acme/lobby"]), "volume.*");
        assert_eq!(pattern(&["network.aa", "network.aaa"]), "network.aa*");
        assert_eq!(pattern(&["image.a/é", "image.a/è"]), "image.a/*");
    }
}
