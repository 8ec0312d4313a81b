//! A pretend Docker host: for trying things, and for tests.
//!
//! In reading order: what there is on it and what it lets happen ([`host`]), where it is kept
//! ([`keep`]), and the provider in front of both.

mod host;
mod keep;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use lessor_engine::{ApplyError, DiskLimits, Examination, Examiner, Provider};
use lessor_plans::{
    Act, Body, Change, Fingerprint, Gap, InstallationId, Mark, MarkError, Naming, Observation,
    Oddity, Present, Sighting, Stranger, Transition, Wanted, name_for,
};
use lessor_specs::quantity::looks_secret;
use lessor_specs::{Address, EnvValue, Kind};

pub use host::{Host, Thing};

use crate::Secrets;
use crate::compare::compare;
use crate::seen::{
    check_address, held, image_stays, insert, missing, not_as_planned, present_image, taken,
    why_not,
};
use keep::Keep;

/// What to do about a file that is no host.
const RESTORE: &str = "restore the file, or remove it to begin with an empty host";

/// Drives a pretend Docker host, kept in a file or as long as the program runs.
///
/// A host answers as a Docker Engine would, at once and without running anything. The file may be
/// edited by hand, also while it is in use: each act reads it, and replaces it whole.
#[derive(Clone)]
pub struct Memory {
    owner: Owner,
    keep: Keep,
}

/// Whose hand it is: by what a thing is known to be ours, and a secret known to be the same.
#[derive(Clone)]
struct Owner {
    place: Address,
    installation: InstallationId,
    secrets: Arc<Secrets>,
}

impl Memory {
    /// An empty host that lives as long as its provider and the clones of it.
    pub fn in_process(place: Address, installation: InstallationId, secrets: Arc<Secrets>) -> Self {
        Memory::new(place, installation, secrets, Keep::in_process())
    }

    /// The host in a file. Without the file it is empty; the first change makes the file.
    pub fn in_file(
        place: Address,
        installation: InstallationId,
        secrets: Arc<Secrets>,
        path: PathBuf,
    ) -> Self {
        Memory::new(place, installation, secrets, Keep::in_file(path))
    }

    /// What is on the host.
    ///
    /// # Errors
    /// When its file cannot be read, with its path and the place in it.
    pub async fn host(&self) -> Result<Host, String> {
        self.keep.take(|host| host).await
    }

    /// Changes the host behind the provider's back, as somebody else would.
    ///
    /// # Errors
    /// When its file cannot be read or written.
    pub async fn edit(
        &self,
        edit: impl FnOnce(&mut Host) + Send + 'static,
    ) -> Result<(), ApplyError> {
        let edit = |host: &mut Host| {
            edit(host);
            Ok(true)
        };
        self.keep.change(edit).await
    }

    fn new(
        place: Address,
        installation: InstallationId,
        secrets: Arc<Secrets>,
        keep: Keep,
    ) -> Self {
        Memory { owner: Owner { place, installation, secrets }, keep }
    }
}

#[async_trait]
impl Provider for Memory {
    fn place(&self) -> &Address {
        &self.owner.place
    }

    async fn observe(&self, wanted: &[Wanted]) -> Observation {
        let (owner, wanted) = (self.owner.clone(), wanted.to_vec());
        let seen = self.keep.take(move |host| owner.observe(host, &wanted)).await;
        seen.unwrap_or_else(|why| {
            Observation::unreachable(self.owner.place.clone(), why, Some(RESTORE.into()))
        })
    }

    async fn sight(&self, body: &Body) -> Sighting {
        let (owner, body) = (self.owner.clone(), body.clone());
        let seen = self.keep.read(move |host| owner.sight(host, &body)).await;
        seen.unwrap_or_else(|why| Sighting::Unknown { why })
    }

    fn compare(&self, desired: &Body, present: &Present) -> Transition {
        compare(desired, present, &self.owner.secrets)
    }

    async fn apply(&self, act: Act, change: &Change) -> Result<(), ApplyError> {
        let (owner, change) = (self.owner.clone(), change.clone());
        self.keep.change(move |host| owner.apply(host, act, &change)).await
    }
}

#[async_trait]
impl Examiner for Memory {
    async fn examine(&self) -> Result<Examination, Gap> {
        let doubt = self.keep.read(Host::doubt).await;
        let gap = |why| Gap {
            what: "the host".into(),
            hint: Some(RESTORE.into()),
            ..self.owner.gap(why)
        };
        if let Some(why) = doubt.map_err(gap)? {
            return Err(self.owner.gap(why));
        }
        Ok(Examination {
            system: "a pretend Docker host".into(),
            clock_ahead: None,
            disk: DiskLimits::Impossible { storage: "a pretend host".into() },
            lacks: Vec::new(),
        })
    }
}

impl Owner {
    /// Takes the host apart rather than copying it: it may have a hundred thousand things.
    fn observe(&self, mut host: Host, wanted: &[Wanted]) -> Observation {
        let mut seen = Observation::default();
        seen.gaps.extend(host.doubt().map(|why| self.gap(why)));
        let known = self.known_secrets(&host);
        let mut strange = Vec::new();
        for thing in std::mem::take(&mut host.things) {
            match self.mark(&thing) {
                Ok(mark) => insert(&mut seen, present(thing, mark, &known)),
                Err(error) => {
                    seen.oddities.extend(oddity(&thing, &error));
                    strange.push(thing);
                }
            }
        }
        let images = wanted.iter().map(|wanted| &wanted.address);
        for address in images.filter(|address| address.kind() == Kind::Image) {
            let name = name_for(Naming::Docker, address);
            if host.has_image(&name) {
                seen.present.insert(address.clone(), present_image(address.clone(), name));
            }
        }
        seen.strangers = strangers(&strange, wanted, &seen);
        seen
    }

    fn sight(&self, host: &Host, body: &Body) -> Sighting {
        let name = body.name();
        if let Body::Image(_) = body {
            let address = Address::new(Kind::Image, format!("{}/{name}", self.place.name()));
            let image = || present_image(address, name.into());
            let image = host.has_image(name).then(image);
            return image.map_or(Sighting::Absent, |image| Sighting::Present(image.into()));
        }
        let Some(thing) = host.find(body.sort(), name) else { return Sighting::Absent };
        match self.mark(thing) {
            Ok(mark) => {
                Sighting::Present(present(thing.clone(), mark, &self.known_secrets(host)).into())
            }
            Err(error) => Sighting::Unknown { why: format!("it is not ours: {}", why_not(&error)) },
        }
    }

    fn apply(&self, host: &mut Host, act: Act, change: &Change) -> Result<bool, ApplyError> {
        let body = match act {
            Act::Create | Act::Update => change.after.as_ref(),
            Act::Delete => change.before.as_ref(),
        };
        let body = body.ok_or_else(|| ApplyError::Refused {
            why: format!("the plan does not say how `{}` looks", change.address),
            hint: None,
        })?;
        match act {
            Act::Create => self.create(host, change, body),
            Act::Update => self.update(host, body),
            Act::Delete => self.delete(host, body),
        }
    }

    fn create(&self, host: &mut Host, change: &Change, body: &Body) -> Result<bool, ApplyError> {
        let (sort, name) = (body.sort(), body.name());
        if let Body::Image(image) = body {
            return Ok(host.pull(&image.name));
        }
        if let Some(thing) = host.find(sort, name) {
            let mark = self.mark(thing).map_err(|error| taken(sort, name, &why_not(&error)))?;
            check_address(&mark, change)?;
            return self.update(host, body);
        }
        let mark = Mark {
            installation: self.installation.clone(),
            address: change.address.clone(),
            origin: change.origin.clone(),
            name: name.into(),
        };
        let secrets = self.secrets_of(host, body)?;
        host.add(body.clone(), mark.to_labels(), secrets)?;
        Ok(true)
    }

    fn update(&self, host: &mut Host, body: &Body) -> Result<bool, ApplyError> {
        let (sort, name) = (body.sort(), body.name());
        let gone = || ApplyError::Stale { why: format!("{sort} `{name}` is gone") };
        let thing = host.find(sort, name).ok_or_else(gone)?;
        let mark = self.ours(thing)?;
        let present = present(thing.clone(), mark, &self.known_secrets(host));
        match compare(body, &present, &self.secrets) {
            Transition::None => Ok(false),
            Transition::InPlace(_) => host.change(body).map(|()| true),
            Transition::Replace(differing) => Err(not_as_planned(sort, name, &differing)),
        }
    }

    fn delete(&self, host: &mut Host, body: &Body) -> Result<bool, ApplyError> {
        let (sort, name) = (body.sort(), body.name());
        if let Body::Image(_) = body {
            return Err(image_stays(name));
        }
        let Some(thing) = host.find(sort, name) else { return Ok(false) };
        self.ours(thing)?;
        host.remove(sort, name).map(|()| true)
    }

    fn mark(&self, thing: &Thing) -> Result<Mark, MarkError> {
        Mark::from_labels(&thing.mark, &self.installation, thing.body.name())
    }

    fn ours(&self, thing: &Thing) -> Result<Mark, ApplyError> {
        self.mark(thing).map_err(|error| ApplyError::Stale {
            why: format!("{} is not ours: {}", thing.in_words(), why_not(&error)),
        })
    }

    fn gap(&self, why: String) -> Gap {
        let hint = Some("give each thing of a sort its own name".into());
        Gap { place: self.place.clone(), what: "anything".into(), why, hint }
    }

    /// Digests of the secrets a new thing is given.
    fn secrets_of(
        &self,
        host: &mut Host,
        body: &Body,
    ) -> Result<BTreeMap<String, String>, ApplyError> {
        let Body::Container(body) = body else { return Ok(BTreeMap::new()) };
        let mut digests = BTreeMap::new();
        for (name, value) in &body.env {
            if let EnvValue::Secret(reference) = value {
                let value = self.secrets.needed(name, reference)?;
                let value = secrecy::ExposeSecret::expose_secret(value);
                digests.insert(name.clone(), host.digest(value));
            }
        }
        Ok(digests)
    }

    /// The secrets that are known now, by the digests that this host keeps of them.
    fn known_secrets(&self, host: &Host) -> HashMap<String, Fingerprint> {
        let known = |value| Some((host.known_digest(value)?, Secrets::fingerprint(value)));
        self.secrets.values().filter_map(known).collect()
    }
}

fn oddity(thing: &Thing, error: &MarkError) -> Option<Oddity> {
    let odd = *error != MarkError::Foreign;
    odd.then(|| Oddity { thing: thing.in_words(), why: why_not(error) })
}

fn strangers(strange: &[Thing], wanted: &[Wanted], seen: &Observation) -> Vec<Stranger> {
    let missing = missing(wanted, seen);
    let held = strange.iter().filter_map(|thing| {
        let (sort, name) = (thing.body.sort(), thing.body.name());
        Some(held(sort, name, missing.get(sort)?, thing.holds()))
    });
    held.flatten().collect()
}

fn present(mut thing: Thing, mark: Mark, known: &HashMap<String, Fingerprint>) -> Present {
    let mut secrets = BTreeMap::new();
    if let Some(body) = thing.body.container_mut() {
        for (name, value) in &mut body.env {
            if let Some(fingerprint) = fingerprint(&thing.secrets, name, value, known) {
                secrets.insert(name.clone(), fingerprint);
                *value = Present::hidden();
            }
        }
    }
    let inherited = thing.subnet_chosen.then(|| "subnet".to_owned()).into_iter().collect();
    Present { birth: mark.address, origin: mark.origin, body: thing.body, inherited, secrets }
}

fn fingerprint(
    digests: &BTreeMap<String, String>,
    name: &str,
    value: &EnvValue,
    known: &HashMap<String, Fingerprint>,
) -> Option<Fingerprint> {
    match value {
        EnvValue::Plain(text) => looks_secret(name, text).then(|| Secrets::fingerprint(text)),
        EnvValue::Secret(_) => {
            let digest = digests.get(name).map(String::as_str).unwrap_or_default();
            // One that is not known now was another value then.
            Some(known.get(digest).cloned().unwrap_or_else(|| Secrets::fingerprint(digest)))
        }
    }
}
