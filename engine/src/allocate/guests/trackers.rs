//! The trackers of rules.

use lessor_plans::Code;
use lessor_specs::{Address, Kind};

use super::keys::tracker_key;
use super::{Chooser, TRACKERS};

impl Chooser<'_, '_> {
    /// Every rule an operator declares has a tracker.
    pub(super) fn rules(&mut self) {
        let specs = self.specs;
        for (name, rule) in &specs.firewall_rule {
            let address = Address::new(Kind::FirewallRule, &**name);
            let Some(pfsense) = specs.pfsense_of(rule.pfsense.as_deref()) else { continue };
            if let Some(tracker) = self.tracker(pfsense, &address, &rule.moved) {
                self.chosen.trackers.insert(name, tracker);
            } else {
                let why = format!("`pfsense.{pfsense}` has no tracker left");
                self.chosen.problems.push((address, Code::NoIdLeft, why));
            }
        }
    }

    pub(super) fn tracker(
        &mut self,
        pfsense: &str,
        rule: &Address,
        former: &[Address],
    ) -> Option<u32> {
        let births: Vec<_> = std::iter::once(rule).chain(former).collect();
        let seen = self.world.at(&Address::new(Kind::PfSense, pfsense));
        let present = seen.and_then(|seen| births.iter().find_map(|b| seen.present.get(*b)));
        let own = present.and_then(|present| present.body.name().parse::<u32>().ok());
        let keys: Vec<_> = births.iter().map(|birth| tracker_key(pfsense, birth)).collect();
        // A rule that was adopted has the number that its firewall once gave it, for good.
        let given = own.filter(|own| {
            !TRACKERS.contains(own) || present.is_some_and(|present| present.adopted.is_some())
        });
        let trackers = self.trackers.get_mut(pfsense)?;
        let tracker = given.or_else(|| trackers.choose(self.claims, &keys, own))?;
        self.chosen.claims.insert(tracker_key(pfsense, rule), tracker.to_string());
        Some(tracker)
    }
}
