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
}

const DOCKER_MAX: usize = 128;
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
    }
}

/// The name of the thing that the entry at `address` adopts; `None` when it is known by its id.
pub fn adopted_name<'a>(address: &Address, adopted: &'a Adopted) -> Option<&'a str> {
    let has_id = address.kind() != Kind::Volume;
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

    #[test]
    fn a_long_name_ends_in_a_digest() {
        let long = |tail: &str| bounded(&format!("{}{tail}", "a".repeat(150)), DOCKER_MAX);
        assert_eq!(long("x").len(), DOCKER_MAX);
        assert_ne!(long("x"), long("y"));
    }
}
