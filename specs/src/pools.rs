//! Which machines belong to which pool, and what those are called that we make.

use std::collections::BTreeSet;

use crate::kinds::{Machine, Pool};
use crate::{Address, Kind, SecretRef, Specs};

/// What the machine of this number is called in a pool whose machines we make: `alpine-01`. It
/// keeps that name, however many there are.
pub fn machine_name(pool: &str, number: u32) -> String {
    format!("{pool}-{number:02}")
}

/// The number of a machine that is called as those which `pool` makes.
pub fn made_number(pool: &str, machine: &str) -> Option<u32> {
    let digits = machine.strip_prefix(pool)?.strip_prefix('-')?;
    let number = digits.parse().ok().filter(|number| *number > 0)?;
    (machine_name(pool, number) == machine).then_some(number)
}

impl Specs {
    /// The pool that makes, or would make, a machine of this name, and its number there.
    pub fn made_by(&self, machine: &str) -> Option<(&str, &Pool, u32)> {
        let (name, _) = machine.rsplit_once('-')?;
        let (name, pool) = self.pool.get_key_value(name)?;
        let number = made_number(name, machine).filter(|_| pool.is_made())?;
        Some((name, pool, number))
    }

    /// The pool that a machine belongs to, be it declared or made by us.
    pub fn pool_of(&self, machine: &str) -> Option<(&str, &Pool)> {
        let Some(declared) = self.machine.get(machine) else {
            return self.made_by(machine).map(|(name, pool, _)| (name, pool));
        };
        self.pool.get_key_value(&declared.pool).map(|(name, pool)| (name.as_str(), pool))
    }

    /// The `machine` entries of a pool, in order of name.
    pub fn members<'s>(&'s self, pool: &'s str) -> impl Iterator<Item = (&'s str, &'s Machine)> {
        let of_pool = move |(_, machine): &(&String, &Machine)| machine.pool == pool;
        self.machine.iter().filter(of_pool).map(|(name, machine)| (name.as_str(), machine))
    }

    /// The secrets by which machines are entered. No plan needs them, since each machine is looked at
    /// alone, so that one which is missing holds up nobody else.
    pub fn machine_secrets(&self) -> BTreeSet<&SecretRef> {
        let machines = self.machine.values();
        machines.flat_map(|machine| [&machine.key, &machine.password]).flatten().collect()
    }

    /// The addresses a machine that we make had, by those of its pool.
    pub(crate) fn machine_moved(&self, machine: &str) -> Vec<Address> {
        let Some((_, pool, number)) = self.made_by(machine) else { return Vec::new() };
        let before = pool.moved.iter().map(|old| machine_name(old.name(), number));
        before.map(|name| Address::new(Kind::Machine, name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{machine_name, made_number};

    #[test]
    fn a_name_tells_its_number_and_no_other_name_does() {
        for number in [1, 9, 10, 99, 100, 9999] {
            assert_eq!(made_number("alpine", &machine_name("alpine", number)), Some(number));
        }
        for other in ["alpine-1", "alpine-00", "alpine-0100", "alpine-x1", "alpine", "alpin-01"] {
            assert_eq!(made_number("alpine", other), None, "{other}");
        }
    }
}
