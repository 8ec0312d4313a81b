//! Machines that somebody has reserved: none is taken away, and what waits for that is said.

use lessor_plans::{NoteKind, Reason};
use lessor_specs::{Address, Kind};

use super::Planner;
use crate::allocate::Machines;
use crate::settle::Wish;

impl Planner<'_> {
    /// What stays of each pool since it is reserved.
    pub(super) fn reserved_ones(&mut self, pools: &[(Address, u32)], machines: &[Machines]) {
        for ((pool, replicas), machines) in pools.iter().zip(machines) {
            if machines.surplus > 0 {
                let surplus = machines.surplus;
                let reserved = surplus + usize::try_from(*replicas).unwrap_or(0);
                let go = if surplus == 1 { "goes" } else { "go" };
                let text = format!(
                    "{replicas} of its machines are declared and {reserved} reserved; {surplus} {go} \
                     when that ends"
                );
                self.note(NoteKind::Waiting, pool, text);
                continue;
            }
            for number in &machines.stay {
                let machine = lessor_specs::machine_name(pool.name(), *number);
                let machine = Address::new(Kind::Machine, machine);
                self.note(NoteKind::Info, &machine, "reserved, so it stays and another one goes");
            }
        }
    }

    /// Whether somebody has a machine that would be made anew, which then waits.
    pub(super) fn is_replaced_later(&mut self, wish: &Wish<'_>, reason: &Reason) -> bool {
        let is_reserved = wish.births.iter().any(|birth| self.wishes.reserved.contains(birth));
        if is_reserved {
            let what = match reason {
                Reason::Changed(paths) | Reason::Drifted(paths) => paths.join(", "),
                _ => "what it is made of".into(),
            };
            let text = format!("{what} changed; reserved, so it is replaced when that ends");
            self.note(NoteKind::Waiting, &wish.address, text);
        }
        is_reserved
    }

    /// Whether somebody has a machine that nobody asks for any more, which then waits.
    pub(super) fn goes_later(&mut self, birth: &Address) -> bool {
        let is_reserved = self.wishes.reserved.contains(birth);
        if is_reserved {
            let text = "no longer declared; reserved, so it goes when that ends";
            self.note(NoteKind::Waiting, birth, text);
        }
        is_reserved
    }
}
