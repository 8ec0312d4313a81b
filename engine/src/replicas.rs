//! Which machines of a pool there shall be.

use std::collections::BTreeSet;

/// The numbers of the machines that a pool of `replicas` shall have: those that are `reserved`,
/// however many, then those that are `there`, then the lowest that are free.
///
/// So nobody loses a machine while it is reserved, and nothing is made anew that need not be. What
/// is there and not among the numbers goes.
pub fn replicas(replicas: u32, reserved: &BTreeSet<u32>, there: &BTreeSet<u32>) -> BTreeSet<u32> {
    let mut chosen = reserved.clone();
    let wanted = usize::try_from(replicas).unwrap_or(usize::MAX);
    let others = there.iter().filter(|number| !reserved.contains(number));
    chosen.extend(others.take(wanted.saturating_sub(chosen.len())));
    let lacking = wanted.saturating_sub(chosen.len());
    let free: Vec<_> = (1..).filter(|number| !chosen.contains(number)).take(lacking).collect();
    chosen.extend(free);
    chosen
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers() -> impl Strategy<Value = BTreeSet<u32>> {
        proptest::collection::btree_set(1..30_u32, 0..20)
    }

    #[test]
    fn who_is_reserved_stays_then_who_is_there_then_come_the_lowest() {
        let chosen = |wanted, reserved: &[u32], there: &[u32]| {
            let set = |numbers: &[u32]| numbers.iter().copied().collect();
            replicas(wanted, &set(reserved), &set(there)).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(chosen(3, &[], &[]), [1, 2, 3]);
        assert_eq!(chosen(3, &[], &[2, 5, 9, 12]), [2, 5, 9]);
        assert_eq!(chosen(3, &[12], &[2, 5, 9, 12]), [2, 5, 12]);
        assert_eq!(chosen(1, &[5, 12], &[2, 5, 9, 12]), [5, 12]);
        assert_eq!(chosen(4, &[], &[2, 5]), [1, 2, 3, 5]);
        assert_eq!(chosen(0, &[], &[2, 5]), [0; 0]);
    }

    proptest! {
        #[test]
        fn a_pool_comes_to_its_size_once_and_stays_there(
            wanted in 0..30_u32, reserved in numbers(), there in numbers(),
        ) {
            let chosen = replicas(wanted, &reserved, &there);
            prop_assert_eq!(chosen.len(), reserved.len().max(wanted as usize));
            prop_assert!(reserved.is_subset(&chosen));
            // Nothing goes while something comes.
            let goes = there.difference(&chosen).count();
            let comes = chosen.difference(&there).filter(|n| !reserved.contains(n)).count();
            prop_assert!(goes == 0 || comes == 0);
            prop_assert_eq!(replicas(wanted, &reserved, &chosen), chosen);
        }
    }
}
