//! Everything that specs, the look, the plan and the store know about one address.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lessor_engine::{
    Choice, How, Outline, Outlined, Phase, Source, choices, outline, parts, sources,
};
use lessor_plans::ClaimKey;
use lessor_plans::render::explanation::{
    Applied, Attribute, Chosen, EXPLANATION_FORMAT_VERSION, Event, Explanation, Outcome, Part,
    Place, Present,
};
use lessor_plans::render::{Purpose, View};
use lessor_specs::Address;
use lessor_store::{Recorded, Store};

use crate::output::within;
use crate::session::{Looked, Session};

/// How many steps of the past are told.
const HISTORY: usize = 5;

/// How many lines of the journal hold them; a step has two.
const HISTORY_LINES: u32 = 20;

/// Everything that is known about an address; `None` when nobody ever heard of it.
pub(super) async fn explanation(
    session: &Session,
    looked: &Looked,
    address: &Address,
) -> anyhow::Result<Option<Explanation>> {
    let outline = outlined(session, looked);
    let choices = outline
        .get(address)
        .map(|thing| choices(&outline, thing, &looked.wishes.claims, &looked.world));
    let choices = choices.unwrap_or_default();
    let past = match session.remembered().await? {
        None => Past::default(),
        Some(store) => {
            let past = Past::read(&store, &births(session, address), &choices).await;
            store.close().await;
            past?
        }
    };
    let explanation = Gathered { session, looked, outline: &outline }.explain(address);
    let chosen = choices.into_iter().map(|choice| chosen(choice, &past)).collect();
    let explanation =
        Explanation { chosen, applied: past.applied, history: past.history, ..explanation };
    let is_known = explanation.declared.is_some()
        || !explanation.present.is_empty()
        || !explanation.plan.is_empty()
        || !explanation.history.is_empty()
        || !explanation.gaps.is_empty();
    Ok(is_known.then_some(explanation))
}

/// The addresses the mark of a thing may have.
fn births(session: &Session, address: &Address) -> Vec<Address> {
    let former = session.loaded.specs.moved(address);
    std::iter::once(address.clone()).chain(former).collect()
}

/// What is asked for, with the very choices the plan made.
fn outlined(session: &Session, looked: &Looked) -> Outline {
    let mut claims = looked.wishes.claims.clone();
    claims.extend(looked.plan.claims.clone());
    outline(&session.loaded.specs, &claims, &looked.world)
}

struct Gathered<'g> {
    session: &'g Session,
    looked: &'g Looked,
    outline: &'g Outline,
}

impl Gathered<'_> {
    fn explain(&self, address: &Address) -> Explanation {
        let thing = self.outline.get(address);
        let mut made_of = thing.map(|thing| self.parts(thing)).unwrap_or_default();
        let declared = match self.place(address) {
            Some(place) => Some(Part { entry: address.clone(), place, why: None }),
            None if made_of.is_empty() => None,
            None => Some(made_of.remove(0)),
        };
        made_of.retain(|part| &part.entry != address);
        let present = self.present(address);
        let mut view = View::of(&self.looked.plan, Purpose::Plan);
        view.lines.retain(|line| line.about == address.to_string());
        Explanation {
            format_version: EXPLANATION_FORMAT_VERSION,
            address: address.clone(),
            declared,
            made_of,
            makes: if thing.is_none() { self.makes(address) } else { Vec::new() },
            is_thing: thing.is_some() || !present.is_empty() || !view.lines.is_empty(),
            present,
            gaps: self.looked.plan.gaps.clone(),
            chosen: Vec::new(),
            attributes: thing.map(|thing| self.attributes(thing)).unwrap_or_default(),
            needs: thing.map(|thing| thing.needs.clone()).unwrap_or_default(),
            needed_by: self.needed_by(address),
            applied: None,
            history: Vec::new(),
            kept_until: self.looked.wishes.kept.get(address).copied(),
            plan: view.lines,
        }
    }

    fn place(&self, entry: &Address) -> Option<Place> {
        Some(self.placed(self.session.loaded.declared_at(entry)?))
    }

    fn placed(&self, (file, line, column): (&str, usize, usize)) -> Place {
        let file = within(&self.session.dir, file).display().to_string();
        Place { file, line, column }
    }

    fn parts(&self, thing: &Outlined) -> Vec<Part> {
        let parts = parts(&self.session.loaded.specs, thing).into_iter();
        let place = |part: lessor_engine::Part| {
            let place = self.place(&part.entry)?;
            Some(Part { entry: part.entry, place, why: part.why.map(str::to_owned) })
        };
        parts.filter_map(place).collect()
    }

    /// The things an entry has a say in.
    fn makes(&self, entry: &Address) -> Vec<Address> {
        let specs = &self.session.loaded.specs;
        let is_part = |thing: &&Outlined| parts(specs, thing).iter().any(|p| &p.entry == entry);
        self.outline.things.iter().filter(is_part).map(|thing| thing.address.clone()).collect()
    }

    fn needed_by(&self, address: &Address) -> Vec<Address> {
        let users = self.outline.things.iter().filter(|thing| thing.needs.contains(address));
        users.map(|thing| thing.address.clone()).collect()
    }

    fn present(&self, address: &Address) -> Vec<Present> {
        let births = births(self.session, address);
        let seen = self.looked.world.observations().iter();
        let here = seen.filter_map(|(place, seen)| {
            let present = births.iter().find_map(|birth| seen.present.get(birth))?;
            let uses = present.body.uses();
            let uses = uses.into_iter().map(|(sort, name)| format!("{sort} `{name}`"));
            Some(Present {
                place: place.clone(),
                sort: present.body.sort().into(),
                name: present.body.name().into(),
                adopted: present.adopted.is_some(),
                made_as: (present.birth != *address).then(|| present.birth.clone()),
                uses: uses.collect(),
            })
        });
        here.collect()
    }

    fn attributes(&self, thing: &Outlined) -> Vec<Attribute> {
        let sources = sources(&self.session.loaded.specs, thing);
        let places = self.field_places(sources.values());
        let attribute = |(path, value)| {
            let none = Attribute { path, value, entry: None, field: None, place: None, why: None };
            match sources.get(&none.path) {
                None => none,
                Some(Source::Own(why)) => Attribute { why: Some((*why).into()), ..none },
                Some(Source::Field { entry, path }) => Attribute {
                    entry: Some(entry.clone()),
                    field: Some(path.join(".")),
                    place: places.get(&(entry, path)).cloned().flatten(),
                    ..none
                },
            }
        };
        thing.body.attributes().into_iter().map(attribute).collect()
    }

    /// Where each field stands. All fields of an entry are looked up together, since each look
    /// reads its file again.
    fn field_places<'s>(
        &self,
        sources: impl Iterator<Item = &'s Source>,
    ) -> BTreeMap<(&'s Address, &'s Vec<String>), Option<Place>> {
        let mut fields: BTreeMap<&Address, Vec<&Vec<String>>> = BTreeMap::new();
        for source in sources {
            if let Source::Field { entry, path } = source {
                fields.entry(entry).or_default().push(path);
            }
        }
        let located = fields.into_iter().flat_map(|(entry, paths)| {
            let owned: Vec<_> = paths.iter().copied().cloned().collect();
            let places = self.session.loaded.fields_at(entry, &owned);
            let places: Vec<_> =
                places.into_iter().map(|at| at.map(|at| self.placed(at))).collect();
            paths.into_iter().zip(places).map(move |(path, place)| ((entry, path), place))
        });
        located.collect()
    }
}

/// What the store knows of the past of one thing.
#[derive(Default)]
struct Past {
    applied: Option<Applied>,
    history: Vec<Event>,
    /// Since when things are given out.
    since: BTreeMap<ClaimKey, Timestamp>,
}

impl Past {
    async fn read(store: &Store, births: &[Address], choices: &[Choice]) -> anyhow::Result<Past> {
        let mut past = Past::default();
        let mut lines = Vec::new();
        for birth in births {
            lines.extend(store.journal_list_about(birth, HISTORY_LINES).await?);
            if past.applied.is_none() {
                let applied = store.applied_show(birth).await?;
                past.applied = applied.map(|a| Applied { at: a.at, run: a.apply.0 });
            }
        }
        past.history = history(lines);
        for choice in choices {
            if let How::Claimed(key) = &choice.how
                && let Some(since) = store.claim_since(key).await?
            {
                past.since.insert(key.clone(), since);
            }
        }
        Ok(past)
    }
}

/// The last word about each step, the newest first.
fn history(mut lines: Vec<Recorded>) -> Vec<Event> {
    lines.sort_by_key(|line| std::cmp::Reverse(line.number));
    let mut events: Vec<Event> = Vec::new();
    for Recorded { at, entry, .. } in lines {
        let (outcome, why) = match entry.phase {
            Phase::Started => (Outcome::Begun, None),
            Phase::Finished => (Outcome::Done, None),
            Phase::Failed { why } => (Outcome::Failed, Some(why)),
        };
        let (run, step, act) = (entry.apply.0, entry.step, entry.act);
        let is_told = events.iter().any(|event| event.run == run && event.step == step);
        if !is_told {
            events.push(Event { at, run, step, act, outcome, why });
        }
    }
    events.truncate(HISTORY);
    events
}

/// A choice in words.
fn chosen(choice: Choice, past: &Past) -> Chosen {
    let Choice { key: ClaimKey { pool, holder }, value, how } = choice;
    let sort = pool.split_once('/').map(|(_, sort)| sort);
    let (what, first) = match (pool.split_once('.'), sort) {
        (None, _) => (format!("host {pool}.{value}"), "the first with room"),
        (Some(("bridge", _)), _) => (format!("subnet {value}"), "the lowest that is free"),
        (Some(_), Some(sort)) => (format!("{sort} {value}"), "the lowest that is free"),
        (Some(("address_pool", _)), _) => (format!("address {value}"), "the lowest that is free"),
        (Some(_), None) => (format!("port {value}"), "the lowest that is free"),
    };
    let mut since = None;
    let why = match how {
        How::Claimed(key) => {
            since = past.since.get(&key).copied();
            let on = since.map_or_else(|| "before".into(), |since| format!("on {since}"));
            let former = (key.holder != holder).then(|| format!(", to {}", key.holder));
            format!("given out {on}{}", former.unwrap_or_default())
        }
        How::Found => "it has it already; no claim is remembered".into(),
        How::Best(why) => why,
        How::FirstFree { instead_of: None } => first.into(),
        How::FirstFree { instead_of: Some(old) } => {
            format!("{first}; {old}, which was given out before, cannot be had any more")
        }
    };
    Chosen { what, from: pool, holder, value, why, since }
}
