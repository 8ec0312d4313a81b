//! A plan as people and programs see it: one line a change or note, and a summary.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lessor_specs::{Address, Kind};
use schemars::JsonSchema;
use serde::Serialize;

use crate::observation::HIDDEN;
use crate::{
    Action, CATALOGUE, CatalogueChange, Change, Code, Difference, Gap, Keep, Note, NoteKind,
    Origin, Plan, Price, Reason, RunRate,
};

/// What a view is for. It decides only words, never which lines there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// What would be done.
    Plan,
    /// What differs.
    Drift,
}

/// A plan as it is shown.
#[derive(Clone, Debug)]
pub struct View {
    /// What it is for.
    pub purpose: Purpose,
    /// The plan's id.
    pub id: String,
    /// Changes in order of address, those of the catalogue, what is kept, and notes.
    pub lines: Vec<Line>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
    /// What it comes to.
    pub summary: Summary,
    /// What was seen and is as declared, for writers that count it. Empty unless it was given.
    pub settled: Vec<Settled>,
    /// Where things are declared, for writers that point there. Empty unless it was given.
    pub sites: Sites,
}

/// A thing that is as declared, or a connection that was seen in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The thing.
    pub address: Address,
    /// The connection it lives on; its own for a connection.
    pub place: Address,
}

/// A place in a spec file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The file, with `/` between parts, from where its readers count: the root of a repository.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
}

/// Where things are declared.
#[derive(Clone, Debug, Default)]
pub struct Sites {
    declared: BTreeMap<Address, Site>,
    root: Option<Site>,
}

/// One line, and what stands below it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Line {
    /// What sort of line.
    pub symbol: Symbol,
    /// The thing it is about: an address, or words.
    pub about: String,
    /// The connection it lives on, without its kind; `catalogue` for what customers can have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// That connection, with its kind.
    #[serde(skip)]
    pub connection: Option<Address>,
    /// What is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// What sort of note; missing for changes and for data that would be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<NoteKind>,
    /// Why, in words.
    pub why: String,
    /// The code of what cannot be done, which `lessor explain` explains.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub code: Option<Code>,
    /// What there is to know before one agrees: its ports, its subnet.
    pub facts: Vec<String>,
    /// What it costs more or less from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// The attributes that differ, when there was something before.
    #[schemars(with = "Vec<DifferenceSchema>")]
    pub differences: Vec<Difference>,
    /// Whether data is lost that cannot be made again.
    pub destroys_data: bool,
    /// Something one can do now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The published form of a [`Difference`].
#[derive(JsonSchema)]
#[schemars(rename = "Difference")]
#[expect(dead_code, reason = "describes a type whose values are of any JSON type")]
struct DifferenceSchema {
    /// The attribute.
    path: String,
    /// Before; null when it was not there.
    before: serde_json::Value,
    /// After; null when it will not be there.
    after: serde_json::Value,
}

/// What sort of line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Symbol {
    /// `+`
    Add,
    /// `~`
    Change,
    /// `±`
    Replace,
    /// `-`
    Remove,
    /// `!`: somebody else changed it.
    Drift,
    /// `?`
    Note,
}

impl Symbol {
    /// Of a change: what somebody else did goes before what is done about it.
    pub fn of(change: &Change) -> Symbol {
        if change.reason.is_drift() { Symbol::Drift } else { Symbol::of_action(change.action) }
    }

    fn of_action(action: Action) -> Symbol {
        match action {
            Action::Create => Symbol::Add,
            Action::Update => Symbol::Change,
            Action::Replace => Symbol::Replace,
            Action::Delete => Symbol::Remove,
        }
    }

    /// As it stands at the beginning of a line.
    pub fn as_char(self) -> char {
        match self {
            Symbol::Add => '+',
            Symbol::Change => '~',
            Symbol::Replace => '±',
            Symbol::Remove => '-',
            Symbol::Drift => '!',
            Symbol::Note => '?',
        }
    }
}

/// How much a line asks for attention. The first is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Danger {
    /// Nothing can be done because of it.
    Prevents,
    /// It could not be seen.
    Unseen,
    /// Data is lost.
    DestroysData,
    /// A thing goes.
    Removes,
    /// A thing goes and comes again.
    Replaces,
    /// A thing is changed where it stands.
    Updates,
    /// Data nobody declares any more is kept for a while.
    Keeps,
    /// A thing is made.
    Creates,
    /// Nothing is done.
    Tells,
}

/// What a plan comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    /// Things that will be made.
    pub add: usize,
    /// Things that will be changed.
    pub change: usize,
    /// Things that will be removed and made again.
    pub replace: usize,
    /// Things that will be removed.
    pub remove: usize,
    /// Things somebody else changed or removed; not counted in the others.
    pub drifted: usize,
    /// Things nobody declares any more whose data will be kept for a while.
    pub keep: usize,
    /// Things nobody declares any more whose data is being kept.
    pub kept: usize,
    /// Changes that are not shown, since they were not selected.
    pub left_out: usize,
    /// What keeps this plan from being applied.
    pub problems: usize,
    /// Notes beside these.
    pub notes: usize,
    /// Things of ours that were seen.
    pub owned: usize,
    /// Changes that lose data.
    pub destroys_data: usize,
    /// What all instances come to in a month, by currency; empty where nothing has a price.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run_rate: Vec<RunRate>,
    /// Instances that go and are missing there, since nobody knows what they cost.
    #[serde(default, skip_serializing_if = "crate::plan::is_zero")]
    pub unpriced: usize,
    /// Connections that could not be seen in full.
    pub unseen: usize,
    /// Things that could not be seen or compared on connections that could.
    pub not_compared: usize,
}

impl View {
    /// Of a plan.
    pub fn of(plan: &Plan, purpose: Purpose) -> View {
        let sorts = Sorts::of(plan);
        let prices = &plan.prices.changes;
        let changes = plan.changes.iter().map(|change| Line {
            price: prices.get(&change.address).copied(),
            ..change_line(&sorts, change)
        });
        let catalogue = plan.catalogue.iter().map(catalogue_line);
        let keeps = plan.keeps.iter().map(|keep| keep_line(&sorts, keep));
        let notes = plan.notes.iter().map(note_line);
        View {
            purpose,
            id: plan.id().to_string(),
            lines: changes.chain(catalogue).chain(keeps).chain(notes).collect(),
            gaps: plan.gaps.clone(),
            summary: summary(plan),
            settled: Vec::new(),
            sites: Sites::default(),
        }
    }

    /// The same view, knowing what is as declared. A thing that has a line is not.
    #[must_use]
    pub fn with_settled(mut self, settled: impl IntoIterator<Item = Settled>) -> View {
        let told: BTreeSet<String> = self.lines.iter().map(|line| line.about.clone()).collect();
        let unsettled = |thing: &Settled| {
            told.contains(&thing.address.to_string())
                || self.gaps.iter().any(|gap| gap.place == thing.address)
        };
        self.settled = settled.into_iter().filter(|thing| !unsettled(thing)).collect();
        self
    }

    /// The same view, knowing where things are declared: `site` says it of one, and `root` stands
    /// for whatever is declared nowhere.
    #[must_use]
    pub fn with_sites(mut self, site: impl Fn(&Address) -> Option<Site>, root: Site) -> View {
        let about = self.lines.iter().filter_map(|line| line.about.parse().ok());
        let places = self.lines.iter().filter_map(|line| line.connection.clone());
        let gaps = self.gaps.iter().map(|gap| gap.place.clone());
        let addresses: BTreeSet<Address> = about.chain(places).chain(gaps).collect();
        let declared = addresses.into_iter().filter_map(|address| {
            let site = site(&address)?;
            Some((address, site))
        });
        self.sites = Sites { declared: declared.collect(), root: Some(root) };
        self
    }
}

impl Sites {
    /// Where a line is best shown: where its thing is declared, else the connection it lives on,
    /// else the root of the directory.
    pub fn of_line(&self, line: &Line) -> Option<&Site> {
        let own = line.about.parse().ok();
        [own.as_ref(), line.connection.as_ref()]
            .into_iter()
            .flatten()
            .find_map(|address| self.declared.get(address))
            .or(self.root.as_ref())
    }

    /// Where a gap is best shown.
    pub fn of_gap(&self, gap: &Gap) -> Option<&Site> {
        self.declared.get(&gap.place).or(self.root.as_ref())
    }
}

impl Line {
    /// How much it asks for attention.
    pub fn danger(&self) -> Danger {
        match (self.note, self.action) {
            (Some(NoteKind::Fatal), _) => Danger::Prevents,
            (Some(NoteKind::Unseen), _) => Danger::Unseen,
            (Some(NoteKind::Unmanaged | NoteKind::Waiting | NoteKind::Info), _) => Danger::Tells,
            (None, _) if self.destroys_data => Danger::DestroysData,
            (None, Some(Action::Delete)) => Danger::Removes,
            (None, Some(Action::Replace)) => Danger::Replaces,
            (None, Some(Action::Update)) => Danger::Updates,
            (None, Some(Action::Create)) => Danger::Creates,
            (None, None) => Danger::Keeps,
        }
    }

    /// Where it belongs among others: the connection, or the catalogue.
    pub(super) fn host(&self) -> Option<String> {
        self.connection.as_ref().map(ToString::to_string).or_else(|| self.place.clone())
    }

    /// Whether somebody else caused it.
    pub fn is_drift(&self) -> bool {
        self.symbol == Symbol::Drift
    }
}

fn summary(plan: &Plan) -> Summary {
    let mut summary = Summary {
        keep: plan.keeps.len(),
        kept: plan.notes.iter().filter(|note| is_kept(note)).count(),
        left_out: plan.left_out,
        problems: plan.fatal().count(),
        notes: plan.notes.len() - plan.fatal().count(),
        owned: plan.owned,
        destroys_data: plan.changes.iter().filter(|change| change.destroys_data()).count(),
        run_rate: plan.prices.run_rate.clone(),
        unpriced: plan.prices.unknown,
        unseen: plan.gaps.len(),
        not_compared: plan.notes.iter().filter(|note| note.kind == NoteKind::Unseen).count(),
        ..Summary::default()
    };
    for change in &plan.changes {
        if change.reason.is_drift() {
            summary.drifted += 1;
        } else {
            *summary.of(change.action) += 1;
        }
    }
    for entry in &plan.catalogue {
        *summary.of(entry.action()) += 1;
    }
    summary
}

impl Summary {
    fn of(&mut self, action: Action) -> &mut usize {
        match action {
            Action::Create => &mut self.add,
            Action::Update => &mut self.change,
            Action::Replace => &mut self.replace,
            Action::Delete => &mut self.remove,
        }
    }
}

/// Whether a note is about data that is being kept: the only thing of ours that waits.
fn is_kept(note: &Note) -> bool {
    note.kind == NoteKind::Waiting && note.about.parse::<Address>().is_ok()
}

fn change_line(sorts: &Sorts<'_>, change: &Change) -> Line {
    let mut differences = match change.action {
        Action::Update | Action::Replace => change.differences(),
        Action::Create | Action::Delete => Vec::new(),
    };
    differences.retain(|difference| !is_same_secret(change, difference));
    let mut facts: Vec<_> = ordered(change).into_iter().collect();
    match (change.action, &change.after) {
        (Action::Create, Some(after)) => facts.extend(after.facts()),
        _ if change.reboots() => facts.push("needs a reboot".to_owned()),
        _ => {}
    }
    Line {
        symbol: Symbol::of(change),
        about: change.address.to_string(),
        place: Some(change.place.name().to_owned()),
        connection: Some(change.place.clone()),
        action: Some(change.action),
        note: None,
        why: why(change),
        code: None,
        facts,
        price: None,
        differences,
        destroys_data: change.destroys_data(),
        hint: match &change.reason {
            Reason::Unwanted => sorts.rename_hint(&change.address, &change.place),
            Reason::Renamed(new) => Some(moved_hint(&change.address, new)),
            _ => None,
        },
    }
}

/// Whether a hidden value is the wished one after all: two secrets are compared by the provider,
/// whose finding is the reason, and look different here in any case.
fn is_same_secret(change: &Change, difference: &Difference) -> bool {
    let found = match &change.reason {
        Reason::Changed(paths) | Reason::Drifted(paths) | Reason::Adopted(paths) => {
            paths.contains(&difference.path)
        }
        _ => false,
    };
    let is = |value: &Option<serde_json::Value>, expected: fn(&str) -> bool| {
        value.as_ref().and_then(|value| value.as_str()).is_some_and(expected)
    };
    !found
        && is(&difference.before, |text| text == HIDDEN)
        && is(&difference.after, |text| text.starts_with("secret://"))
}

/// What comes and goes, by kind and connection.
struct Sorts<'p> {
    by_sort: BTreeMap<(Kind, &'p Address), Sort<'p>>,
}

/// The things of one kind on one connection.
#[derive(Default)]
struct Sort<'p> {
    /// How many go, or are kept although nobody declares them.
    going: usize,
    coming: Vec<&'p Address>,
}

impl<'p> Sorts<'p> {
    fn of(plan: &'p Plan) -> Self {
        let mut by_sort: BTreeMap<_, Sort<'p>> = BTreeMap::new();
        for change in &plan.changes {
            let sort = by_sort.entry((change.address.kind(), &change.place)).or_default();
            match change.action {
                Action::Create => sort.coming.push(&change.address),
                Action::Delete => sort.going += 1,
                Action::Update | Action::Replace => {}
            }
        }
        for keep in &plan.keeps {
            by_sort.entry((keep.address.kind(), &keep.place)).or_default().going += 1;
        }
        Sorts { by_sort }
    }

    /// One thing of a sort goes and one comes: very likely somebody renamed the entry.
    fn rename_hint(&self, old: &Address, place: &Address) -> Option<String> {
        // What an instance brings along has no entry of its own.
        if old.is_derived() {
            return None;
        }
        let Sort { going: 1, coming } = self.by_sort.get(&(old.kind(), place))? else {
            return None;
        };
        let [new] = coming.as_slice() else { return None };
        // Machines that we make are many, and one that goes was not called otherwise.
        (old.kind() != Kind::Machine).then(|| moved_hint(old, new))
    }
}

fn moved_hint(old: &Address, new: &Address) -> String {
    // A machine that we make has no entry: it is called after its pool.
    let entry = |address: &Address| match address.name().rsplit_once('-') {
        Some((pool, _)) if address.kind() == Kind::Machine => Address::new(Kind::Pool, pool),
        _ => address.clone(),
    };
    let (old, new) = (entry(old), entry(new));
    format!("if it is called `{new}` now, write `moved = [\"{old}\"]` there, and it stays")
}

/// The reason, in words.
fn why(change: &Change) -> String {
    let replaced = if change.action == Action::Replace { ", replaced" } else { "" };
    match &change.reason {
        Reason::Wanted => "new".into(),
        Reason::Missing => "removed outside, will be made again".into(),
        Reason::Changed(paths) => format!("{} changed{replaced}", list(paths)),
        Reason::Drifted(paths) => {
            format!("{} changed outside, will be set back{replaced}", list(paths))
        }
        Reason::Adopted(paths) if paths.is_empty() => "adopted, gets our mark".into(),
        Reason::Adopted(paths) => format!("adopted, gets our mark; {} changed", list(paths)),
        Reason::Follows(address) => format!("follows `{address}`{replaced}"),
        Reason::Unwanted => "no longer declared".into(),
        Reason::Renamed(new) => format!("no longer declared, and `{new}` is the same"),
        Reason::Due(date) => format!("its data was kept until {date}"),
        Reason::DataGivenUp => "its data is given up".into(),
        Reason::Cleaned => "cleaned for whoever is next".into(),
        Reason::Ended { order, event } => format!("order {order} ended ({event})"),
        Reason::Released { order } => format!("order {order} needs it no longer"),
    }
}

/// The order that asks for it, unless the reason says so.
fn ordered(change: &Change) -> Option<String> {
    match &change.origin {
        Origin::Order(id) if !change.reason.is_agreed_by_order() => Some(format!("order {id}")),
        Origin::Order(_) | Origin::File => None,
    }
}

/// Up to three attributes by name; the rest stands in the differences.
fn list(paths: &[String]) -> String {
    match paths {
        [a, b, c, rest @ ..] if !rest.is_empty() => {
            format!("{a}, {b}, {c} and {} more", rest.len())
        }
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        paths => paths.join(", "),
    }
}

fn catalogue_line(entry: &CatalogueChange) -> Line {
    let action = entry.action();
    let differences = match action {
        Action::Update | Action::Replace => entry.differences(),
        Action::Create | Action::Delete => Vec::new(),
    };
    let paths: Vec<_> = differences.iter().map(|difference| difference.path.clone()).collect();
    Line {
        symbol: Symbol::of_action(action),
        about: entry.address.to_string(),
        place: Some(CATALOGUE.into()),
        connection: None,
        action: Some(action),
        note: None,
        why: match action {
            Action::Create => "new".into(),
            Action::Update | Action::Replace => format!("{} changed", list(&paths)),
            Action::Delete => "no longer declared".into(),
        },
        code: None,
        facts: Vec::new(),
        price: None,
        differences,
        destroys_data: false,
        hint: None,
    }
}

fn keep_line(sorts: &Sorts<'_>, keep: &Keep) -> Line {
    let length = lessor_specs::Duration::from_secs(keep.seconds);
    let anyway = keep.until.map(|until| format!(", and until {until} in any case"));
    let anyway = anyway.unwrap_or_default();
    Line {
        symbol: Symbol::Note,
        about: keep.address.to_string(),
        place: Some(keep.place.name().to_owned()),
        connection: Some(keep.place.clone()),
        action: None,
        note: None,
        why: format!("no longer declared; its data is kept for {length}{anyway}"),
        code: None,
        facts: Vec::new(),
        price: None,
        differences: Vec::new(),
        destroys_data: false,
        hint: sorts.rename_hint(&keep.address, &keep.place),
    }
}

fn note_line(note: &Note) -> Line {
    let why = match (note.kind, note.code) {
        (NoteKind::Fatal, Some(code)) => format!("cannot be done[{code}]: {}", note.text),
        (NoteKind::Fatal, None) => format!("cannot be done: {}", note.text),
        _ => note.text.clone(),
    };
    Line {
        symbol: Symbol::Note,
        about: note.about.clone(),
        place: None,
        connection: None,
        action: None,
        note: Some(note.kind),
        why,
        code: note.code,
        facts: Vec::new(),
        price: None,
        differences: Vec::new(),
        destroys_data: false,
        hint: note.hint.clone(),
    }
}
