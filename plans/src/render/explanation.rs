//! Why a thing is as it is: everything that is known about it, for people and for programs.

use std::fmt::Write as _;

use jiff::Timestamp;
use lessor_specs::Address;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::human::write_line;
use super::value::shown;
use super::view::Line;
use crate::{Act, Gap};

/// Raised when a field changes its meaning or goes away; a new field does not raise it.
pub const EXPLANATION_FORMAT_VERSION: u32 = 1;

/// How many addresses a line names before it counts.
const NAMED: usize = 6;

/// The longest value on one line.
const VALUE_MAX: usize = 48;

/// Everything that is known about one address.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(title = "What lessor knows about one address")]
pub struct Explanation {
    /// The version of this form.
    pub format_version: u32,
    /// The address.
    pub address: Address,
    /// Where it is declared; none when it is no longer, or comes along with nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared: Option<Part>,
    /// The other entries that had a say in it.
    pub made_of: Vec<Part>,
    /// What this entry has a say in, when it is one that others are made of.
    pub makes: Vec<Address>,
    /// Where it is, and as what.
    pub present: Vec<Present>,
    /// Connections that could not be seen in full.
    pub gaps: Vec<Gap>,
    /// What specs leave open, what was chosen and why.
    pub chosen: Vec<Chosen>,
    /// How it shall look, and where each part of that comes from.
    pub attributes: Vec<Attribute>,
    /// What has to be there before it.
    pub needs: Vec<Address>,
    /// What it has to be there for.
    pub needed_by: Vec<Address>,
    /// When a run last finished with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
    /// The last steps that were about it, the newest first.
    pub history: Vec<Event>,
    /// Until when its data is kept although nobody declares it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub kept_until: Option<Timestamp>,
    /// Whether it is one thing, so that there can be something to do about it.
    pub is_thing: bool,
    /// What the plan would do and says about it.
    pub plan: Vec<Line>,
}

/// The place of an entry or a field in a spec file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Place {
    /// The file, with the spec directory.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
}

/// An entry that had a say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Part {
    /// The entry.
    pub entry: Address,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// How it came to be this one, where nothing names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A thing that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Present {
    /// The connection.
    pub place: Address,
    /// `image`, `network`, `volume` or `container`.
    pub sort: String,
    /// What the provider knows it by.
    pub name: String,
    /// The address in its mark, when it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_as: Option<Address>,
    /// Whether it was there before its entry, and carries no mark.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// What it uses, by sort and name.
    pub uses: Vec<String>,
}

/// Something that was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Chosen {
    /// What it is, in words: “port 25565”.
    pub what: String,
    /// Where it comes from.
    pub from: String,
    /// Whom it is for.
    pub holder: String,
    /// What was chosen.
    pub value: String,
    /// How, in words.
    pub why: String,
    /// Since when it is given out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
}

/// One attribute, and where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Attribute {
    /// Its path: `memory`, `env.EULA`.
    pub path: String,
    /// What it shall be. A secret is a reference.
    pub value: Value,
    /// The entry that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<Address>,
    /// The field there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Where the field's value stands; none when the entry leaves the field out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Why it is so, where no entry has a say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// The run that last finished with a thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Applied {
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The run.
    pub run: String,
}

/// One step that was about a thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Event {
    /// When its last word was journaled.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The run.
    pub run: String,
    /// The step, counted from 1.
    pub step: usize,
    /// What was done.
    pub act: Act,
    /// How far it came.
    pub outcome: Outcome,
    /// Why it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// How far a step came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was begun, and nothing is known of its end.
    Begun,
    /// It was done.
    Done,
    /// It was given up.
    Failed,
}

impl Explanation {
    /// For people, with a line break at its end.
    pub fn human(&self, color: bool) -> String {
        let mut out = format!("{}\n", self.address);
        let mut section = |label: &str, lines: Vec<String>| {
            for (n, line) in lines.into_iter().enumerate() {
                let label = if n == 0 { label } else { "" };
                let _ = writeln!(out, "  {label:10} {line}");
            }
        };
        section("declared", vec![self.declared_line()]);
        section("made of", self.parts());
        section("makes", listed(&self.makes));
        section("present", self.present.iter().map(Present::line).collect());
        section("uses", self.uses());
        let unseen = |gap: &Gap| format!("{} could not be seen: {}", gap.place, gap.why);
        section("unknown", self.gaps.iter().map(unseen).collect());
        section("chosen", self.chosen.iter().map(Chosen::line).collect());
        section("has", self.attribute_lines());
        section("needs", listed(&self.needs));
        section("needed by", listed(&self.needed_by));
        let applied = self.applied.iter();
        section("applied", applied.map(|a| format!("{} by run {}", a.at, a.run)).collect());
        section("history", self.history.iter().map(Event::line).collect());
        let kept = |until: &Timestamp| format!("until {until}; no entry asks for its data");
        section("kept", self.kept_until.iter().map(kept).collect());
        if self.is_thing {
            section("plan", self.planned(color));
        }
        out
    }

    /// For programs: one JSON document, with a line break at its end.
    pub fn json(&self) -> String {
        // Plain data with text keys: this cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    fn declared_line(&self) -> String {
        match &self.declared {
            Some(part) if part.entry == self.address => part.place.to_string(),
            Some(part) => format!("by {}, {}", part.entry, part.place),
            None => "no longer".into(),
        }
    }

    fn parts(&self) -> Vec<String> {
        let width = |text: fn(&Part) -> String| {
            self.made_of.iter().map(|part| text(part).len()).max().unwrap_or(0)
        };
        let (entry, place) = (width(|p| p.entry.to_string()), width(|p| p.place.to_string()));
        let line = |part: &Part| {
            let (own, at) = (part.entry.to_string(), part.place.to_string());
            let why = part.why.as_deref().unwrap_or_default();
            format!("{own:entry$}  {at:place$}  {why}").trim_end().to_owned()
        };
        let few = self.made_of.iter().take(NAMED + 2).map(line);
        few.chain(more(self.made_of.len(), NAMED + 2)).collect()
    }

    /// What it uses, when no wish says what it needs.
    fn uses(&self) -> Vec<String> {
        if !self.attributes.is_empty() {
            return Vec::new();
        }
        let used = self.present.iter().filter(|present| !present.uses.is_empty());
        used.map(|present| present.uses.join(", ")).collect()
    }

    fn attribute_lines(&self) -> Vec<String> {
        let path = self.attributes.iter().map(|a| a.path.len()).max().unwrap_or(0).min(32);
        let values: Vec<_> = self.attributes.iter().map(|a| short(&shown(&a.value))).collect();
        let value = values.iter().map(|value| value.chars().count()).max().unwrap_or(0);
        let line = |(attribute, text): (&Attribute, &String)| {
            format!("{:path$}  {text:value$}  {}", attribute.path, attribute.origin())
        };
        self.attributes.iter().zip(&values).map(line).collect()
    }

    /// What the plan would do, as the plan says it.
    fn planned(&self, color: bool) -> Vec<String> {
        if self.plan.is_empty() {
            let blind = !self.gaps.is_empty();
            let text = if blind { "nothing, while it cannot be seen" } else { "nothing to do" };
            return vec![text.into()];
        }
        let mut text = String::new();
        let width = self.address.to_string().len();
        self.plan.iter().for_each(|line| write_line(&mut text, line, width, color));
        text.lines().map(str::to_owned).collect()
    }
}

/// The published JSON Schema of [`Explanation::json`].
pub fn json_schema() -> Value {
    schemars::schema_for!(Explanation).to_value()
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl Present {
    fn line(&self) -> String {
        let made_as = self.made_as.as_ref().map(|birth| format!(", made as {birth}"));
        let adopted = if self.adopted { ", adopted" } else { "" };
        let made_as = made_as.unwrap_or_default();
        format!("{}, as {} `{}`{made_as}{adopted}", self.place, self.sort, self.name)
    }
}

impl Chosen {
    fn line(&self) -> String {
        format!("{} of {} for {}: {}", self.what, self.from, self.holder, self.why)
    }
}

impl Attribute {
    /// Where it comes from, in words.
    fn origin(&self) -> String {
        match (&self.entry, &self.place, &self.why) {
            (Some(entry), Some(place), _) => format!("{entry}, {place}"),
            (Some(entry), None, _) => {
                let field = self.field.as_deref().unwrap_or_default();
                format!("default, {entry} has no `{field}`")
            }
            (None, _, why) => why.clone().unwrap_or_default(),
        }
    }
}

impl Event {
    fn line(&self) -> String {
        let Event { at, run, step, act, .. } = self;
        let outcome = match self.outcome {
            Outcome::Begun => "begun, its end is not known",
            Outcome::Done => "done",
            Outcome::Failed => "failed",
        };
        let why = self.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        format!("{at} {act} {outcome}, step {step} of run {run}{why}")
    }
}

/// Addresses on one line, while they are few enough to read.
fn listed(addresses: &[Address]) -> Vec<String> {
    if addresses.is_empty() {
        return Vec::new();
    }
    let few = addresses.iter().take(NAMED).map(ToString::to_string);
    let line: Vec<_> = few.chain(more(addresses.len(), NAMED)).collect();
    vec![line.join(", ")]
}

fn more(count: usize, shown: usize) -> Option<String> {
    count.checked_sub(shown).filter(|more| *more > 0).map(|more| format!("and {more} more"))
}

/// A value on one line. What a terminal would obey is a replacement character.
fn short(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let plain = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let line: String = first.chars().take(VALUE_MAX).map(plain).collect();
    let is_whole = first.len() == text.len() && first.chars().count() <= VALUE_MAX;
    if is_whole { line } else { line + "…" }
}
