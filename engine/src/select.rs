//! Planning a part: `--target` and `--exclude`.

use std::fmt;
use std::str::FromStr;

use lessor_specs::Address;

/// Names some things: an address, a connection, or either with a `*` at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    text: String,
}

impl Selector {
    /// Whether it means the thing at `address`, which lives on `place`.
    pub fn matches(&self, address: &Address, place: &Address) -> bool {
        let matches = |name: &str| match self.text.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == self.text,
        };
        matches(&address.to_string()) || matches(&place.to_string())
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let whole = text.strip_suffix('*').unwrap_or(text);
        let kind = whole.split_once('.').map_or(whole, |(kind, _)| kind);
        let known = lessor_specs::Kind::ALL.iter().any(|k| k.as_str() == kind);
        if known && whole.contains('.') && !whole.contains('*') {
            return Ok(Selector { text: text.into() });
        }
        Err("expected an address such as `container.web`, `instance.acme/*` or `docker.par1`"
            .into())
    }
}

/// Which part of everything is planned; by default, all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only these, and what they need. Empty means everything.
    pub targets: Vec<Selector>,
    /// Not these.
    pub excludes: Vec<Selector>,
    /// By what causes them.
    pub scope: Scope,
}

/// Which changes are planned, by what causes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    #[default]
    All,
    /// Those that orders cause, and what these cannot do without.
    Orders,
    /// All but those of orders that are being carried out, which are said in notes: for those who
    /// look for what differs.
    Settled,
}

impl Selection {
    /// Whether everything is planned.
    pub fn is_everything(&self) -> bool {
        self.selects_everything() && self.scope == Scope::All
    }

    /// Whether no selector leaves anything out.
    pub(crate) fn selects_everything(&self) -> bool {
        self.targets.is_empty() && self.excludes.is_empty()
    }

    pub(crate) fn targets(&self, address: &Address, place: &Address) -> bool {
        self.targets.is_empty() || self.targets.iter().any(|t| t.matches(address, place))
    }

    pub(crate) fn excludes(&self, address: &Address, place: &Address) -> bool {
        self.excludes.iter().any(|selector| selector.matches(address, place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_names_addresses_and_connections() {
        let address = "instance.acme/lobby".parse().unwrap();
        let place = "docker.par1".parse().unwrap();
        let matches = |text: &str| text.parse::<Selector>().unwrap().matches(&address, &place);
        assert!(matches("instance.acme/lobby"));
        assert!(matches("instance.acme/*"));
        assert!(matches("docker.par1"));
        assert!(!matches("instance.acme"));
        assert!(!matches("container.*"));
        for bad in ["", "acme", "*", "a.*.b", "instnce.acme/*"] {
            assert!(bad.parse::<Selector>().is_err(), "{bad}");
        }
    }
}
