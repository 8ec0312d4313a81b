//! Which rule stands behind which.
//!
//! Firewalls ask their rules in order, and others have rules there as well. Ours keep their order
//! among each other, and as few of them as possible are moved.

use foldhash::{HashMap, HashSet};
use lessor_plans::{Body, Present};
use lessor_specs::Address;

use crate::desire::Draft;
use crate::observe::World;

/// Says of every rule that is new or out of order which rule of ours it stands behind. What is in
/// order may stay where it is.
pub(crate) fn order_rules(drafts: &mut [Draft], matches: &[Option<&Present>], world: &World) {
    let mut interfaces: HashMap<(Address, String), Vec<usize>> = HashMap::default();
    for (index, draft) in drafts.iter().enumerate() {
        if let Body::Rule(rule) = &draft.body {
            let interface = (draft.place.clone(), rule.interface.clone());
            interfaces.entry(interface).or_default().push(index);
        }
    }
    let behind = behind(world);
    for ((firewall, interface), mut rules) in interfaces {
        rules.sort_by(|a, b| {
            let key = |index: usize| (drafts[index].order, &drafts[index].address);
            key(*a).cmp(&key(*b))
        });
        let places = behind.get(&(&firewall, interface.as_str())).map(places).unwrap_or_default();
        let staying = staying(&rules, matches, &interface, &places);
        let mut before: Option<usize> = None;
        for &rule in &rules {
            if !staying.contains(&rule) {
                stand_behind(drafts, rule, before);
            }
            before = Some(rule);
        }
    }
}

fn stand_behind(drafts: &mut [Draft], rule: usize, before: Option<usize>) {
    let name = before.and_then(|before| drafts[before].named.clone()).unwrap_or_default();
    let need = before.map(|before| drafts[before].address.clone());
    drafts[rule].needs.extend(need);
    if let Body::Rule(rule) = &mut drafts[rule].body {
        rule.after = Some(name);
    }
}

/// The most of these rules that stand in the order wished for already.
fn staying(
    rules: &[usize],
    matches: &[Option<&Present>],
    interface: &str,
    places: &HashMap<&str, usize>,
) -> HashSet<usize> {
    let there = rules.iter().filter_map(|&rule| match &matches[rule]?.body {
        Body::Rule(body) if body.interface == interface => {
            Some((rule, *places.get(body.name.as_str())?))
        }
        _ => None,
    });
    let there: Vec<(usize, usize)> = there.collect();
    let places: Vec<usize> = there.iter().map(|(_, place)| *place).collect();
    longest_rising(&places).into_iter().map(|index| there[index].0).collect()
}

/// Which rule of ours stands behind which, by interface. What stands behind none is behind the empty
/// name.
type Behind<'w> = HashMap<(&'w Address, &'w str), HashMap<&'w str, &'w str>>;

fn behind(world: &World) -> Behind<'_> {
    let mut behind = Behind::default();
    for (firewall, seen) in world.observations() {
        for present in seen.present.values() {
            let Body::Rule(rule) = &present.body else { continue };
            let Some(after) = rule.after.as_deref() else { continue };
            let here = behind.entry((firewall, rule.interface.as_str())).or_default();
            here.insert(after, rule.name.as_str());
        }
    }
    behind
}

/// How far down each rule of one interface stands, by following which stands behind which. What
/// stands behind a rule that could not be read has no place.
fn places<'w>(behind: &HashMap<&'w str, &'w str>) -> HashMap<&'w str, usize> {
    let mut places = HashMap::default();
    let mut last = "";
    while let Some(&rule) = behind.get(last) {
        if places.insert(rule, places.len()).is_some() {
            break;
        }
        last = rule;
    }
    places
}

/// The indices of a longest rising part of `values`.
fn longest_rising(values: &[usize]) -> Vec<usize> {
    // The last index of the best part of each length, and who comes before whom.
    let mut ends: Vec<usize> = Vec::new();
    let mut previous = vec![None; values.len()];
    for (index, value) in values.iter().enumerate() {
        let length = ends.partition_point(|end| values[*end] < *value);
        previous[index] = length.checked_sub(1).map(|shorter| ends[shorter]);
        if length == ends.len() {
            ends.push(index);
        } else {
            ends[length] = index;
        }
    }
    let mut rising: Vec<_> =
        std::iter::successors(ends.last().copied(), |index| previous[*index]).collect();
    rising.reverse();
    rising
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_few_as_possible_are_out_of_order() {
        let rising = |values: &[usize]| -> Vec<_> {
            longest_rising(values).into_iter().map(|index| values[index]).collect()
        };
        assert_eq!(rising(&[0, 1, 2]), [0, 1, 2]);
        assert_eq!(rising(&[2, 0, 1]), [0, 1]);
        assert_eq!(rising(&[3, 4, 0, 5, 1, 2]), [0, 1, 2]);
        assert!(rising(&[]).is_empty());
    }
}
