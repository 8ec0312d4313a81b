//! Which things get an entry, and under which name.

use std::collections::{BTreeMap, BTreeSet};

use lessor_engine::World;
use lessor_plans::{Body, ContainerBody};
use lessor_providers::{Found, Owner};
use lessor_specs::quantity::{Adopted, MountPath, looks_secret};
use lessor_specs::{Address, Kind, Specs, name_problem};

use super::in_words;
use crate::exit::Failed;
use crate::report::now_called;
use crate::session::Session;

/// The longest name an entry can have.
const NAME_MAX: usize = 63;

/// So many digits are the name of a volume that nobody gave a name.
const ANONYMOUS: usize = 64;

/// A thing by sort and name.
pub(super) type Key<'f> = (&'static str, &'f str);

/// What gets an entry.
pub(super) struct Chosen<'f> {
    /// In order of sort and name.
    pub(super) things: Vec<Thing<'f>>,
    /// What was asked for and gets none, in words, and why.
    pub(super) skipped: Vec<(String, String)>,
    /// The entries of all things that have one or get one.
    pub(super) entries: BTreeMap<Key<'f>, Address>,
}

/// A thing, and the address of its entry.
pub(super) struct Thing<'f> {
    pub(super) found: &'f Found,
    pub(super) address: Address,
}

/// What there is to choose from.
pub(super) struct Chooser<'f> {
    specs: &'f Specs,
    found: &'f [Found],
    /// The entries of things that have one.
    entries: BTreeMap<Key<'f>, Address>,
}

impl<'f> Chooser<'f> {
    pub(super) fn new(
        session: &'f Session,
        world: &'f World,
        docker: &str,
        found: &'f [Found],
    ) -> Self {
        let specs = &*session.loaded.specs;
        let now = now_called(specs);
        let seen = world.observations().iter().find(|(place, _)| place.name() == docker);
        let present = seen.into_iter().flat_map(|(_, seen)| &seen.present);
        let entries = present.map(|(birth, present)| {
            let key = (present.body.sort(), present.body.name());
            (key, now.get(birth).unwrap_or(birth).clone())
        });
        Chooser { specs, found, entries: entries.collect() }
    }

    /// Everything that can have an entry. What has one is passed by, and so are volumes that nobody
    /// gave a name.
    pub(super) fn all(self) -> Chosen<'f> {
        let mut keys = BTreeSet::new();
        let mut skipped = Vec::new();
        let is_anonymous = |found: &&Found| {
            found.body.sort() == "volume"
                && found.body.name().len() == ANONYMOUS
                && found.body.name().bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let has_entry = |found: &&Found| self.owner(found).is_some();
        for found in self.found.iter().filter(|f| !is_anonymous(f) && !has_entry(f)) {
            match self.problem(found) {
                None => keys.extend(self.with_its_own(found)),
                Some(why) => skipped.push((in_words(found), why)),
            }
        }
        self.chosen(&keys, skipped)
    }

    /// What has one of these names or ids, with the networks and volumes that it uses. One of them
    /// may have been meant as a directory that is not there.
    pub(super) fn named(
        self,
        names: &[String],
        perhaps_dir: Option<&str>,
    ) -> anyhow::Result<Chosen<'f>> {
        let mut keys = BTreeSet::new();
        let mut problems = Vec::new();
        for name in names {
            let mut meant = self.found.iter().filter(|found| is_called(found, name)).peekable();
            if meant.peek().is_none() {
                problems.push(format!("there is no container, network or volume `{name}`"));
            }
            for found in meant {
                let owner = self.owner(found).map(|address| format!("it is `{address}` already"));
                match owner.or_else(|| self.problem(found)) {
                    None => keys.extend(self.with_its_own(found)),
                    Some(why) => problems.push(format!("{}: {why}", in_words(found))),
                }
            }
        }
        if problems.is_empty() {
            return Ok(self.chosen(&keys, Vec::new()));
        }
        let message = format!("not everything can be adopted; {}", problems.join("; "));
        let hint = match perhaps_dir {
            Some(word) if !self.found.iter().any(|found| is_called(found, word)) => {
                format!("nothing was written; if `{word}` shall be a directory, make it first")
            }
            _ => "nothing was written".into(),
        };
        Err(Failed::new(message).hint(hint).into())
    }

    fn chosen(self, keys: &BTreeSet<Key<'f>>, skipped: Vec<(String, String)>) -> Chosen<'f> {
        let Chooser { specs, found, mut entries } = self;
        let mut names: BTreeSet<Address> = declared(specs);
        let mut things = Vec::new();
        for found in found.iter().filter(|found| keys.contains(&key(found))) {
            let address = free_address(found, &names);
            names.insert(address.clone());
            entries.insert(key(found), address.clone());
            things.push(Thing { found, address });
        }
        Chosen { things, skipped, entries }
    }

    /// The thing, and what it uses that has no entry yet.
    fn with_its_own(&self, found: &'f Found) -> Vec<Key<'f>> {
        let used = self.used(found).filter(|used| self.owner(used).is_none());
        used.chain([found]).map(key).collect()
    }

    /// The networks and volumes a thing uses.
    fn used(&self, found: &'f Found) -> impl Iterator<Item = &'f Found> {
        let uses: BTreeSet<(&str, &str)> = found.body.uses().into_iter().collect();
        self.found.iter().filter(move |other| uses.contains(&key(other)))
    }

    /// The entry a thing has already.
    fn owner(&self, found: &Found) -> Option<Address> {
        let by_mark = || match &found.owner {
            Owner::Us(address) => Some(address.clone()),
            Owner::Nobody | Owner::Other(_) => None,
        };
        self.entries.get(&key(found)).cloned().or_else(by_mark)
    }

    /// Why a thing can have no entry.
    fn problem(&self, found: &'f Found) -> Option<String> {
        own_problem(found).or_else(|| {
            self.used(found).find_map(|used| {
                let why = match self.owner(used) {
                    Some(entry) => not_to_be_named(&entry)?,
                    None => own_problem(used)?,
                };
                Some(format!("it uses {}: {why}", in_words(used)))
            })
        })
    }
}

/// Only entries of their own can be named in another.
fn not_to_be_named(entry: &Address) -> Option<String> {
    let plain = matches!(entry.kind(), Kind::Network | Kind::Volume) && !entry.name().contains('/');
    (!plain).then(|| format!("it is `{entry}`, which is no entry of its own"))
}

fn own_problem(found: &Found) -> Option<String> {
    if let Owner::Other(why) = &found.owner {
        return Some(why.clone());
    }
    if let Some(why) = found.obstacles.first() {
        return Some(why.clone());
    }
    if found.body.name().parse::<Adopted>().is_err() {
        return Some("no entry can hold its name".into());
    }
    if let Body::Container(body) = &found.body
        && let Some(path) = body.mounts.keys().find(|path| path.parse::<MountPath>().is_err())
    {
        return Some(format!("no entry can hold the place of its mount `{path}`"));
    }
    literal_secret(&found.body).map(|place| {
        format!("{place} looks like it holds a secret, which must not stand in a spec file")
    })
}

/// Where a secret stands that could not be referred to: only variables can.
fn literal_secret(body: &Body) -> Option<String> {
    let in_pairs = |what: &str, pairs: &BTreeMap<String, String>| {
        let is_one = |(name, value): &(&String, &String)| looks_secret(name, value);
        pairs.iter().find(is_one).map(|(name, _)| format!("its {what} `{name}`"))
    };
    match body {
        Body::Network(network) => in_pairs("label", &network.labels),
        Body::Volume(volume) => {
            let in_option = |value: &&String| value.split(',').any(is_assigned);
            let option = volume.options.iter().find(|(_, value)| in_option(value));
            in_pairs("label", &volume.labels)
                .or_else(|| in_pairs("option", &volume.options))
                .or_else(|| option.map(|(name, _)| format!("its option `{name}`")))
        }
        Body::Container(container) => {
            let logging = container.logging.as_ref();
            in_pairs("label", &container.labels)
                .or_else(|| in_pairs("logging option", &logging?.options))
                .or_else(|| in_words_of(container))
        }
        // Images hold nothing of their owner, and nothing else is adopted.
        _ => None,
    }
}

fn in_words_of(body: &ContainerBody) -> Option<String> {
    let check = body.healthcheck.as_ref().map(|check| &check.command);
    let lists = [
        (body.entrypoint.as_ref(), "its entry point"),
        (body.command.as_ref(), "its command"),
        (check, "its health check"),
    ];
    let found = lists.into_iter().find(|(list, _)| {
        let words: Vec<&str> = list
            .iter()
            .flat_map(|list| list.iter())
            .flat_map(|word| word.split_whitespace())
            .collect();
        let follows = |pair: &[&str]| {
            pair[0].starts_with('-') && !pair[1].starts_with('-') && is_named(pair[0], pair[1])
        };
        words.iter().any(|word| is_assigned(word) || looks_secret("", word))
            || words.windows(2).any(follows)
    });
    found.map(|(_, what)| what.to_owned())
}

/// `--db-password=…`, `DB_PASSWORD=…`.
fn is_assigned(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, value)| is_named(name, value))
}

fn is_named(name: &str, value: &str) -> bool {
    looks_secret(&name.trim_start_matches('-').replace('-', "_"), value)
}

fn key(found: &Found) -> Key<'_> {
    (found.body.sort(), found.body.name())
}

fn is_called(found: &Found, name: &str) -> bool {
    let by_id = || name.parse::<Adopted>().is_ok_and(|name| name.is_id());
    found.body.name() == name || by_id() && found.id.starts_with(name)
}

fn declared(specs: &Specs) -> BTreeSet<Address> {
    let networks = specs.network.keys().map(|name| Address::new(Kind::Network, &**name));
    let volumes = specs.volume.keys().map(|name| Address::new(Kind::Volume, &**name));
    let containers = specs.container.keys().map(|name| Address::new(Kind::Container, &**name));
    networks.chain(volumes).chain(containers).collect()
}

/// As the thing is called, as far as an entry can be; a number tells it from others.
fn free_address(found: &Found, taken: &BTreeSet<Address>) -> Address {
    let kind = match found.body {
        Body::Network(_) => Kind::Network,
        Body::Volume(_) => Kind::Volume,
        _ => Kind::Container,
    };
    let plain = entry_name(found.body.name());
    let numbered = (2..).map(|n| {
        let number = format!("-{n}");
        format!("{}{number}", &plain[..plain.len().min(NAME_MAX - number.len())])
    });
    let free = |name: &String| !taken.contains(&Address::new(kind, &**name));
    let name = std::iter::once(plain.clone()).chain(numbered).find(free).unwrap_or(plain.clone());
    Address::new(kind, name)
}

fn entry_name(name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let name: String = name.chars().map(legal).take(NAME_MAX).collect();
    let name = name.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    debug_assert!(name_problem(Kind::Container, name).is_none(), "{name}");
    name.to_owned()
}
