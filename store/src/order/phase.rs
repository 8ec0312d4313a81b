//! What may happen to an order, and where it leads: the one table of transitions.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use lessor_specs::OrderPhase;

use OrderPhase::{
    Active, Canceled, Failed, Pending, Provisioning, Reconciling, Suspended, Terminated,
    Terminating, Updating,
};

/// Something that happens to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    /// It was placed.
    Placed,
    /// What it asks for is about to be made.
    Begun,
    /// Everything is there as it asks.
    Settled,
    /// A provider's answer was lost.
    Lost,
    /// It cannot be carried out.
    Failed,
    /// Its customer wants another size.
    Resized,
    /// Its customer switches it on or off.
    Switched,
    /// There is a reason against it.
    Suspended,
    /// A reason against it is gone.
    Resumed,
    /// Something of it is unpaid, and it goes on for a while.
    Warned,
    /// Everything of it is paid again.
    Paid,
    /// Its customer, or we, end it.
    Terminated,
    /// Nothing of it is left.
    Cleared,
    /// What it stands for is started anew.
    Restarted,
    /// What it stands for is ill, and is not started anew any more.
    Held,
    /// What it stands for is well again.
    Recovered,
}

/// Why an order is suspended. There may be several at once, and each goes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It is not paid for. Paying takes this one away, and no other.
    Overdue,
    /// It does what it must not.
    Abuse,
    /// It is in danger, or is one.
    Security,
    /// Somebody decided so.
    Admin,
}

/// Where something leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// To this phase.
    To(OrderPhase),
    /// To rest: active, or suspended while there is a reason against it.
    Rest,
    /// To rest, if there is no reason against it any more; else it stays where it is.
    Wake,
}

/// From where what leads to where. What is not here cannot happen.
const TABLE: &[(OrderPhase, Happening, Next)] = &[
    (Pending, Happening::Begun, Next::To(Provisioning)),
    (Pending, Happening::Switched, Next::To(Pending)),
    (Pending, Happening::Suspended, Next::To(Pending)),
    (Pending, Happening::Resumed, Next::To(Pending)),
    (Pending, Happening::Failed, Next::To(Failed)),
    (Pending, Happening::Terminated, Next::To(Canceled)),
    (Provisioning, Happening::Begun, Next::To(Provisioning)),
    (Provisioning, Happening::Settled, Next::Rest),
    (Provisioning, Happening::Lost, Next::To(Reconciling)),
    (Provisioning, Happening::Switched, Next::To(Provisioning)),
    (Provisioning, Happening::Suspended, Next::To(Provisioning)),
    (Provisioning, Happening::Resumed, Next::To(Provisioning)),
    (Provisioning, Happening::Failed, Next::To(Failed)),
    (Provisioning, Happening::Terminated, Next::To(Terminating)),
    (Reconciling, Happening::Begun, Next::To(Provisioning)),
    (Reconciling, Happening::Settled, Next::Rest),
    (Reconciling, Happening::Lost, Next::To(Reconciling)),
    (Reconciling, Happening::Suspended, Next::To(Reconciling)),
    (Reconciling, Happening::Resumed, Next::To(Reconciling)),
    (Reconciling, Happening::Warned, Next::To(Reconciling)),
    (Reconciling, Happening::Paid, Next::To(Reconciling)),
    (Reconciling, Happening::Failed, Next::To(Failed)),
    (Reconciling, Happening::Terminated, Next::To(Terminating)),
    (Active, Happening::Settled, Next::Rest),
    (Active, Happening::Resized, Next::To(Updating)),
    (Active, Happening::Switched, Next::To(Updating)),
    (Active, Happening::Suspended, Next::To(Updating)),
    (Active, Happening::Warned, Next::To(Active)),
    (Active, Happening::Paid, Next::To(Active)),
    (Active, Happening::Terminated, Next::To(Terminating)),
    (Active, Happening::Restarted, Next::To(Active)),
    (Active, Happening::Held, Next::To(Active)),
    (Active, Happening::Recovered, Next::To(Active)),
    (Updating, Happening::Settled, Next::Rest),
    (Updating, Happening::Lost, Next::To(Reconciling)),
    (Updating, Happening::Resized, Next::To(Updating)),
    (Updating, Happening::Switched, Next::To(Updating)),
    (Updating, Happening::Suspended, Next::To(Updating)),
    (Updating, Happening::Resumed, Next::To(Updating)),
    (Updating, Happening::Warned, Next::To(Updating)),
    (Updating, Happening::Paid, Next::To(Updating)),
    (Updating, Happening::Terminated, Next::To(Terminating)),
    (Suspended, Happening::Settled, Next::Rest),
    (Suspended, Happening::Switched, Next::To(Suspended)),
    (Suspended, Happening::Suspended, Next::To(Suspended)),
    (Suspended, Happening::Resumed, Next::Wake),
    (Suspended, Happening::Warned, Next::To(Suspended)),
    (Suspended, Happening::Paid, Next::Wake),
    (Suspended, Happening::Terminated, Next::To(Terminating)),
    (Terminating, Happening::Paid, Next::To(Terminating)),
    (Terminating, Happening::Cleared, Next::To(Terminated)),
    (Terminated, Happening::Paid, Next::To(Terminated)),
    (Failed, Happening::Paid, Next::To(Failed)),
    (Failed, Happening::Cleared, Next::To(Failed)),
];

/// The phase in which `what` leaves an order, with the reasons there are against it from then on;
/// `None` where it cannot happen.
pub fn next(phase: OrderPhase, what: Happening, reasons: &BTreeSet<Reason>) -> Option<OrderPhase> {
    let row = TABLE.iter().find(|(from, happening, _)| (*from, *happening) == (phase, what));
    let (_, _, next) = row?;
    Some(match next {
        Next::To(phase) => *phase,
        Next::Rest if reasons.is_empty() => Active,
        Next::Rest => Suspended,
        Next::Wake if reasons.is_empty() => Updating,
        Next::Wake => phase,
    })
}

impl Happening {
    /// Everything that can happen, in the order of an order's life.
    pub const ALL: [Happening; 16] = [
        Happening::Placed,
        Happening::Begun,
        Happening::Settled,
        Happening::Lost,
        Happening::Failed,
        Happening::Resized,
        Happening::Switched,
        Happening::Suspended,
        Happening::Resumed,
        Happening::Warned,
        Happening::Paid,
        Happening::Terminated,
        Happening::Cleared,
        Happening::Restarted,
        Happening::Held,
        Happening::Recovered,
    ];

    /// As it stands in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Happening::Placed => "placed",
            Happening::Begun => "begun",
            Happening::Settled => "settled",
            Happening::Lost => "lost",
            Happening::Failed => "failed",
            Happening::Resized => "resized",
            Happening::Switched => "switched",
            Happening::Suspended => "suspended",
            Happening::Resumed => "resumed",
            Happening::Warned => "warned",
            Happening::Paid => "paid",
            Happening::Terminated => "terminated",
            Happening::Cleared => "cleared",
            Happening::Restarted => "restarted",
            Happening::Held => "held",
            Happening::Recovered => "recovered",
        }
    }

    /// Whether what was found of the instance before says nothing of it any more.
    pub(crate) const fn ends_health(self) -> bool {
        match self {
            Happening::Resized
            | Happening::Switched
            | Happening::Suspended
            | Happening::Terminated
            | Happening::Failed => true,
            Happening::Placed
            | Happening::Begun
            | Happening::Settled
            | Happening::Lost
            | Happening::Resumed
            | Happening::Warned
            | Happening::Paid
            | Happening::Cleared
            | Happening::Restarted
            | Happening::Held
            | Happening::Recovered => false,
        }
    }

    /// What others are told it is: about the order, or about what it stands for.
    pub fn topic(self) -> String {
        match self {
            Happening::Restarted | Happening::Held | Happening::Recovered => {
                format!("instance.{self}")
            }
            _ => format!("order.{self}"),
        }
    }

    /// What is to happen, behind “it cannot”.
    pub(crate) const fn wish(self) -> &'static str {
        match self {
            Happening::Placed => "be placed",
            Happening::Begun => "be begun",
            Happening::Settled => "be settled",
            Happening::Lost => "be lost",
            Happening::Failed => "fail",
            Happening::Resized => "be resized",
            Happening::Switched => "be switched on or off",
            Happening::Suspended => "be suspended",
            Happening::Resumed => "be resumed",
            Happening::Warned => "be warned",
            Happening::Paid => "be paid",
            Happening::Terminated => "be ended",
            Happening::Cleared => "be cleared",
            Happening::Restarted => "be started anew",
            Happening::Held => "be left as it is",
            Happening::Recovered => "recover",
        }
    }
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 4] = [Reason::Overdue, Reason::Abuse, Reason::Security, Reason::Admin];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Overdue => "overdue",
            Reason::Abuse => "abuse",
            Reason::Security => "security",
            Reason::Admin => "admin",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Reason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Reason::ALL.into_iter().find(|reason| reason.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is no reason to suspend an order"))
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Happening {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Happening::ALL.into_iter().find(|happening| happening.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is nothing that happens to an order"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every transition, one line a phase.
    fn drawn(reasons: &BTreeSet<Reason>) -> String {
        let line = |phase: OrderPhase| {
            let leads = |what: Happening| Some(format!("{what}→{}", next(phase, what, reasons)?));
            let leads: Vec<_> = Happening::ALL.into_iter().filter_map(leads).collect();
            format!("{phase}: {}\n", leads.join(" "))
        };
        OrderPhase::ALL.into_iter().map(line).collect()
    }

    #[test]
    fn every_transition_stands_in_one_table() {
        insta::assert_snapshot!(drawn(&BTreeSet::new()), @r"
        pending: begun→provisioning failed→failed switched→pending suspended→pending resumed→pending terminated→canceled
        provisioning: begun→provisioning settled→active lost→reconciling failed→failed switched→provisioning suspended→provisioning resumed→provisioning terminated→terminating
        active: settled→active resized→updating switched→updating suspended→updating warned→active paid→active terminated→terminating restarted→active held→active recovered→active
        updating: settled→active lost→reconciling resized→updating switched→updating suspended→updating resumed→updating warned→updating paid→updating terminated→terminating
        suspended: settled→active switched→suspended suspended→suspended resumed→updating warned→suspended paid→updating terminated→terminating
        terminating: paid→terminating cleared→terminated
        terminated: paid→terminated
        canceled: 
        failed: paid→failed cleared→failed
        reconciling: begun→provisioning settled→active lost→reconciling failed→failed suspended→reconciling resumed→reconciling warned→reconciling paid→reconciling terminated→terminating
        ");
    }

    #[test]
    fn while_there_is_a_reason_an_order_comes_to_rest_suspended() {
        let reasons = BTreeSet::from([Reason::Abuse]);
        for from in [Provisioning, Updating, Active, Suspended, Reconciling] {
            assert_eq!(next(from, Happening::Settled, &reasons), Some(Suspended), "{from}");
        }
        assert_eq!(next(Suspended, Happening::Paid, &reasons), Some(Suspended));
        assert_eq!(next(Suspended, Happening::Paid, &BTreeSet::new()), Some(Updating));
    }

    #[test]
    fn nothing_leads_out_of_an_end() {
        for from in OrderPhase::ALL.into_iter().filter(|phase| phase.is_end()) {
            for what in Happening::ALL {
                let to = next(from, what, &BTreeSet::new());
                assert!(to.is_none_or(|to| to == from), "{from} {what:?}");
            }
        }
    }

    #[test]
    fn every_order_can_be_ended_until_it_is() {
        for from in OrderPhase::ALL.into_iter().filter(|phase| !phase.is_end()) {
            let to = next(from, Happening::Terminated, &BTreeSet::new());
            assert!(to.is_some() || from == Terminating, "{from}");
        }
    }
}
