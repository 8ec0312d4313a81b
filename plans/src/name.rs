//! From addresses to names that a provider takes.

use lessor_specs::quantity::Adopted;
use lessor_specs::{Address, Kind};

use crate::Digest;

/// What a provider allows in a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// Docker: letters, digits, `_`, `.` and `-`, beginning with a letter or digit. The engine
    /// takes names of any length; 128 characters still fit a line of `docker ps`.
    Docker,
    /// Aliases of pfSense and pools of Proxmox VE: letters, digits and `_`, at most 31.
    Identifier,
    /// Guests of Proxmox VE: labels of a domain name.
    Host,
}

const DOCKER_MAX: usize = 128;
const IDENTIFIER_MAX: usize = 31;
const DIGEST_LENGTH: usize = 12;

/// The name of the thing at `address`: legal for the provider, bounded in length, and different
/// for any two addresses of one sort.
///
/// The name of an entry is kept as it stands. The slash of a name made of two becomes `_`, which
/// no entry's own name can hold. What would be too long keeps its beginning and ends in a digest.
pub fn name_for(naming: Naming, address: &Address) -> String {
    match naming {
        // What stands behind the connection is the reference itself.
        Naming::Docker if address.kind() == Kind::Image => {
            address.name().split_once('/').map_or(address.name(), |(_, reference)| reference).into()
        }
        Naming::Docker => bounded(&address.name().replace('/', "_"), DOCKER_MAX),
        Naming::Identifier => identifier(address.name()),
        Naming::Host => host(address.name()),
    }
}

/// What had to be changed beyond one slash ends in a digest, since two names may come out alike.
fn identifier(name: &str) -> String {
    let plain = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let is_plain = plain.matches('_').count() == name.matches('/').count().min(1);
    if is_plain && plain.len() <= IDENTIFIER_MAX {
        return plain;
    }
    let digest = &Digest::of(name.as_bytes()).to_string()[..DIGEST_LENGTH];
    let kept = plain.len().min(IDENTIFIER_MAX - DIGEST_LENGTH - 1);
    format!("{}_{digest}", &plain[..kept])
}

/// The own name first, as in `web-1.acme`. Two may come out alike: guests are known by their ids.
fn host(name: &str) -> String {
    let labels = name.rsplit('/').flat_map(|part| part.split('.'));
    let labels = labels.map(|label| label.trim_matches('-')).filter(|label| !label.is_empty());
    labels.collect::<Vec<_>>().join(".")
}

/// The name of the thing that the entry at `address` adopts; `None` when it is known by its id.
pub fn adopted_name<'a>(address: &Address, adopted: &'a Adopted) -> Option<&'a str> {
    let has_id = matches!(address.kind(), Kind::Container | Kind::Network);
    (!(has_id && adopted.is_id())).then(|| adopted.as_str())
}

fn bounded(name: &str, max: usize) -> String {
    if name.len() <= max {
        return name.to_owned();
    }
    let digest = &Digest::of(name.as_bytes()).to_string()[..DIGEST_LENGTH];
    // `_` and not `-`: no name that was short enough can end like this by its own.
    format!("{}_{digest}", &name[..max - DIGEST_LENGTH - 1])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_are_legal_bounded_and_differ(
            names in proptest::collection::btree_set("[a-z0-9]([a-z0-9.-]{0,60}[a-z0-9])?(/[a-z0-9]([a-z0-9.-]{0,60}[a-z0-9])?)?", 1..50),
        ) {
            let made: BTreeSet<_> = names
                .iter()
                .map(|name| name_for(Naming::Docker, &Address::new(Kind::Instance, name.as_str())))
                .collect();
            prop_assert_eq!(made.len(), names.len());
            for name in made {
                prop_assert!(name.len() <= DOCKER_MAX);
                prop_assert!(name.starts_with(|c: char| c.is_ascii_alphanumeric()));
                prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)));
            }
        }
    }

    proptest! {
        #[test]
        fn identifiers_are_legal_bounded_and_differ(
            names in proptest::collection::btree_set("[a-zA-Z0-9]([a-zA-Z0-9.-]{0,40}[a-zA-Z0-9])?(/[a-z0-9]([a-z0-9.-]{0,40}[a-z0-9])?){0,2}", 1..50),
        ) {
            let made: BTreeSet<_> = names.iter().map(|name| identifier(name)).collect();
            prop_assert_eq!(made.len(), names.len());
            for name in made {
                prop_assert!(name.len() <= IDENTIFIER_MAX);
                prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
            }
        }
    }

    #[test]
    fn a_guest_is_called_by_its_own_name_first() {
        let host = |name: &str| name_for(Naming::Host, &Address::new(Kind::Instance, name));
        assert_eq!(host("acme/web-1"), "web-1.acme");
        assert_eq!(host("acme.io/a..b-.c"), "a.b.c.acme.io");
    }

    #[test]
    fn a_long_name_ends_in_a_digest() {
        let long = |tail: &str| bounded(&format!("{}{tail}", "a".repeat(150)), DOCKER_MAX);
        assert_eq!(long("x").len(), DOCKER_MAX);
        assert_ne!(long("x"), long("y"));
    }
}
