//! Whether a plan may run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use lessor_plans::{Action, Body, Change, Code, Digest, Plan, Reason};
use lessor_specs::{Address, Kind};

use crate::plan::takes_unasked;

/// A plan that may run. Only [`gate`] makes one.
#[derive(Clone, Debug)]
pub struct ApprovedPlan {
    plan: Plan,
    id: Digest,
}

impl ApprovedPlan {
    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Its id.
    pub fn id(&self) -> Digest {
        self.id
    }

    /// The same plan, in which what is put away says until when: `kept` is what is remembered since
    /// its run began. It is what was agreed to, so it keeps its id.
    #[must_use]
    pub fn dated(mut self, kept: &BTreeMap<Address, Timestamp>) -> Self {
        for change in self.plan.changes.iter_mut().filter(|change| is_put_away(change)) {
            let guest = change.after.as_mut().and_then(Body::guest_mut);
            if let (Some(guest), Some(until)) = (guest, kept.get(&change.address)) {
                guest.kept_until = Some(*until);
            }
        }
        self
    }
}

/// Whether it is about a thing that stays for its data alone.
fn is_put_away(change: &Change) -> bool {
    change.action == Action::Update && change.reason == Reason::Unwanted
}

/// A person's yes to what a plan takes away. It holds for one plan only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// The plan.
    pub plan: Digest,
    /// Up to so many removals.
    pub removals: Option<usize>,
    /// The data of these may be destroyed.
    pub destroy_data: BTreeSet<Address>,
    /// These rules need not hold.
    pub rules: BTreeSet<Rule>,
}

impl Consent {
    /// Agrees to nothing.
    pub fn none(plan: Digest) -> Self {
        Consent { plan, removals: None, destroy_data: BTreeSet::new(), rules: BTreeSet::new() }
    }
}

/// A rule of the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Not too many removals at once.
    Removals,
    /// No data is destroyed.
    Data,
    /// Specs that are suddenly empty are a mistake.
    Empty,
    /// No tenant loses more than one instance at once.
    Tenant,
    /// What was only renamed is not removed and made again.
    Rename,
    /// What was ordered goes when its order ends, and not before.
    Orders,
}

impl Rule {
    const ALL: [Rule; 6] =
        [Rule::Removals, Rule::Data, Rule::Empty, Rule::Tenant, Rule::Rename, Rule::Orders];

    /// What explains it.
    pub const fn code(self) -> Code {
        match self {
            Rule::Removals => Code::TooManyRemovals,
            Rule::Data => Code::DataDestroyed,
            Rule::Empty => Code::NothingDeclared,
            Rule::Tenant => Code::TenantLosesMuch,
            Rule::Rename => Code::OnlyRenamed,
            Rule::Orders => Code::OrdersMissing,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rule::Removals => "removals",
            Rule::Data => "data",
            Rule::Empty => "empty",
            Rule::Tenant => "tenant",
            Rule::Rename => "rename",
            Rule::Orders => "orders",
        })
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Rule::ALL.into_iter().find(|rule| rule.to_string() == text);
        found.ok_or_else(|| "the rules are removals, data, empty, tenant, rename and orders".into())
    }
}

/// The gate's no: every rule that stands against the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The plan.
    pub plan: Digest,
    /// Never empty.
    pub rules: Vec<HeldRule>,
}

impl Held {
    /// What the plan would do that stands against it, in a line.
    pub fn whys(&self) -> String {
        self.rules.iter().map(|rule| rule.why.as_str()).collect::<Vec<_>>().join("; ")
    }
}

/// One rule that stands against a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRule {
    /// The rule.
    pub rule: Rule,
    /// What the plan would do.
    pub why: String,
    /// What to add to the command to agree.
    pub consent: String,
}

/// Lets a plan pass, or says every reason why not.
///
/// # Errors
/// [`Held`] with each rule that stands against it and is not answered by `consent`. A consent to
/// another plan counts for nothing.
pub fn gate(plan: Plan, consent: &Consent) -> Result<ApprovedPlan, Box<Held>> {
    let id = plan.id();
    let nothing = Consent::none(id);
    let consent = if consent.plan == id { consent } else { &nothing };
    let found = [removals(&plan, consent), empty(&plan)].into_iter().flatten();
    let rules: Vec<_> = found
        .chain(data(&plan, consent))
        .chain(tenants(&plan))
        .chain(renames(&plan))
        .chain(orders(&plan))
        .filter(|held| !consent.rules.contains(&held.rule))
        .collect();
    if rules.is_empty() {
        return Ok(ApprovedPlan { plan, id });
    }
    Err(Box::new(Held { plan: id, rules }))
}

/// A tenant's network goes with its last instance, data that is given up was named by somebody, and
/// what an order agreed to was agreed to: none is counted once more. A guest that is put away is
/// gone for its tenant, once.
fn counts(plan: &Plan, change: &Change) -> bool {
    let of_tenant = match change.address.kind() {
        Kind::Bridge | Kind::VlanRange | Kind::Proxmox => true,
        Kind::FirewallRule => change.address.name().starts_with("vlan_range/"),
        _ => false,
    };
    match change.action {
        Action::Delete => {
            !of_tenant
                && change.reason != Reason::DataGivenUp
                && !change.reason.is_agreed_by_order()
        }
        Action::Update => is_put_away(change) && is_news(plan, change),
        Action::Create | Action::Replace => false,
    }
}

/// Whether nobody knew yet that a thing is put away.
fn is_news(plan: &Plan, change: &Change) -> bool {
    let says_so = match &change.before {
        Some(Body::Guest(guest)) => guest.kept_until.is_some(),
        _ => false,
    };
    !says_so && plan.keeps.iter().any(|keep| keep.address == change.address)
}

/// Whether it comes with an instance that goes as well, and is counted with that.
fn goes_along(change: &Change, going: &BTreeSet<&str>) -> bool {
    let parts: Vec<_> = change.address.name().split('/').collect();
    let mut pairs = parts.windows(2).map(|pair| pair.join("/"));
    change.address.is_derived()
        && change.address.kind() != Kind::Volume
        && pairs.any(|instance| going.contains(instance.as_str()))
}

fn removals(plan: &Plan, consent: &Consent) -> Option<HeldRule> {
    let counted = || plan.changes.iter().filter(|change| counts(plan, change));
    let is_instance = |change: &&Change| change.address.kind() == Kind::Instance;
    let going = counted().filter(is_instance).map(|change| change.address.name()).collect();
    let count = counted().filter(|change| !goes_along(change, &going)).count();
    let share = plan.owned * usize::from(plan.rules.removals_percent) / 100;
    let allowed = share.max(usize::try_from(plan.rules.removals).unwrap_or(usize::MAX));
    let agreed = consent.removals.unwrap_or(0);
    (count > allowed.max(agreed)).then(|| HeldRule {
        rule: Rule::Removals,
        why: format!(
            "the plan removes {count} of {}, and more than {allowed} at once needs consent",
            things(plan.owned)
        ),
        consent: format!("--allow-removals {count}"),
    })
}

fn things(count: usize) -> String {
    if count == 1 { "1 thing".into() } else { format!("{count} things") }
}

fn empty(plan: &Plan) -> Option<HeldRule> {
    let removes = plan.changes.iter().any(|change| change.action == Action::Delete);
    (plan.entries == 0 && (removes || !plan.catalogue.is_empty())).then(|| HeldRule {
        rule: Rule::Empty,
        why: if removes {
            let owned = things(plan.owned);
            format!("no spec declares anything, and what is there would go: {owned}")
        } else {
            "no spec declares anything, and customers could have nothing any more".into()
        },
        consent: "--allow empty".into(),
    })
}

fn data(plan: &Plan, consent: &Consent) -> Vec<HeldRule> {
    let when_due = plan.rules.destroy_when_due;
    plan.changes
        .iter()
        .filter(|change| change.destroys_data() && !change.reason.is_agreed_by_order())
        .filter(|change| !(when_due && matches!(change.reason, Reason::Due(_))))
        .filter(|change| !consent.destroy_data.contains(&change.address))
        .map(|change| HeldRule {
            rule: Rule::Data,
            why: format!("the plan destroys the data of `{}`", change.address),
            consent: format!("--destroy-data {}", change.address),
        })
        .collect()
}

fn tenants(plan: &Plan) -> Vec<HeldRule> {
    let mut losses: BTreeMap<&str, usize> = BTreeMap::new();
    for change in plan.changes.iter().filter(|change| counts(plan, change)) {
        if let (Kind::Instance, Some((tenant, _))) =
            (change.address.kind(), change.address.name().split_once('/'))
        {
            *losses.entry(tenant).or_default() += 1;
        }
    }
    losses
        .into_iter()
        .filter(|(_, count)| *count > 1)
        .map(|(tenant, count)| HeldRule {
            rule: Rule::Tenant,
            why: format!("`tenant.{tenant}` loses {count} instances at once"),
            consent: "--allow tenant".into(),
        })
        .collect()
}

/// What was ordered and has no order any more: very likely the orders were lost, or read too early.
fn orders(plan: &Plan) -> Option<HeldRule> {
    let is_counted =
        |change: &&Change| takes_unasked(change) && (!is_put_away(change) || is_news(plan, change));
    let taken = plan.changes.iter().filter(is_counted).count();
    let orders = match plan.orders {
        0 => "there is no order at all".to_owned(),
        1 => "the 1 order there is does not ask for it".to_owned(),
        orders => format!("the {orders} orders there are do not ask for it"),
    };
    (taken > 0).then(|| HeldRule {
        rule: Rule::Orders,
        why: format!("the plan removes {} that a customer ordered, and {orders}", things(taken)),
        consent: "--allow orders".into(),
    })
}

fn renames(plan: &Plan) -> impl Iterator<Item = HeldRule> {
    plan.changes.iter().filter_map(|change| {
        let Reason::Renamed(new) = &change.reason else { return None };
        let old = &change.address;
        Some(HeldRule {
            rule: Rule::Rename,
            why: format!("`{old}` would be removed, and `{new}`, which is the same, be made"),
            consent: "--allow rename".into(),
        })
    })
}
