//! A pretend Docker host: for trying things, and for tests.
//!
//! In reading order: what there is on it and what it lets happen ([`host`]), where it is kept
//! ([`keep`]), the provider in front of both, looking after one container ([`watch`]), and who is let into
//! one ([`guests`]).

mod guests;
mod host;
mod keep;
mod labels;
mod watch;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use lessor_engine::{ApplyError, DiskLimits, Examination, Examiner, Provider, Wanting};
use lessor_plans::{
    Act, Adoption, Body, Change, Fingerprint, Gap, InstallationId, Mark, MarkError, Naming,
    Observation, Oddity, Origin, Present, Sighting, Stranger, Transition, Wanted, name_for,
};
use lessor_specs::quantity::looks_secret;
use lessor_specs::{Address, EnvValue, Kind};

pub(crate) use guests::PretendMachine;
pub use host::{Guest, Host, Life, Said, Thing};

use crate::compare::compare;
use crate::seen::{
    Adoptions, adopted_ids, adopting, check_address, held, image_stays, insert_all, is_meant,
    missing, not_as_planned, present_image, sort_of, stand_in, taken, why_not,
};
use crate::survey::{MAY_GAIN, STOPPED, exposed, image_missing};
use crate::{Found, Owner as Whose, Secrets, SurveyError};
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
        self.keep.take().await
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

impl Memory {
    /// Everything on the host, whosever it is.
    ///
    /// # Errors
    /// When its file is there and is not a host.
    pub(crate) async fn survey(&self) -> Result<Vec<Found>, SurveyError> {
        let found = self.keep.read(|host| self.owner.survey(host)).await;
        found.map_err(|why| SurveyError { why, hint: None })
    }
}

#[async_trait]
impl Provider for Memory {
    fn place(&self) -> &Address {
        &self.owner.place
    }

    async fn observe(&self, wanted: Wanting<'_>) -> Observation {
        let wanted = wanted.await;
        let seen = self.keep.take().await.map(|host| self.owner.observe(host, &wanted));
        seen.unwrap_or_else(|why| {
            Observation::unreachable(self.owner.place.clone(), why, Some(RESTORE.into()))
        })
    }

    async fn sight(&self, change: &Change) -> Sighting {
        let seen = self.keep.read(|host| self.owner.sight(host, change)).await;
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
            disk: Some(DiskLimits::Impossible { storage: "a pretend host".into() }),
            facts: Vec::new(),
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
        let meant = meant(&host, wanted);
        let (mut ours, mut strange) = (Vec::with_capacity(host.things.len()), Vec::new());
        for thing in std::mem::take(&mut host.things) {
            match self.mark(&thing) {
                Ok(mark) => ours.push(present(thing, mark, None, &known)),
                Err(error) => {
                    seen.oddities.extend(oddity(&thing, &error));
                    strange.push(thing);
                }
            }
        }
        insert_all(&mut seen, ours);
        self.adopt(&mut seen, wanted, meant, &known);
        let adopted: HashSet<String> = adopted_ids(&seen).map(str::to_owned).collect();
        strange.retain(|thing| !adopted.contains(&thing.written_id()));
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

    /// Adds what wanted entries adopt.
    fn adopt(
        &self,
        seen: &mut Observation,
        wanted: &[Wanted],
        mut meant: BTreeMap<Address, Thing>,
        known: &HashMap<String, Fingerprint>,
    ) {
        let mut adoptions = Adoptions::default();
        for (_, address, _) in adopting(wanted, seen) {
            let Some(thing) = meant.remove(address) else { continue };
            match self.stand_in(&thing, address, &Origin::File) {
                Ok(mark) => {
                    let adopted = Some(adoption(&thing));
                    adoptions.insert(seen, present(thing, mark, adopted, known));
                }
                Err(why) => drop(seen.refused.insert(address.clone(), why)),
            }
        }
    }

    fn survey(&self, host: &Host) -> Vec<Found> {
        host.things.iter().map(|thing| self.found(host, thing)).collect()
    }

    fn found(&self, host: &Host, thing: &Thing) -> Found {
        let (owner, mark) = Whose::of(&thing.mark, &self.installation, thing.body.name());
        let adopted = adoption(thing);
        let beyond = adopted.beyond.clone();
        let present = present(thing.clone(), mark, Some(adopted), &self.known_secrets(host));
        let mut obstacles = Vec::new();
        let mut secrets = BTreeMap::new();
        if let Body::Container(container) = &thing.body {
            obstacles.extend((!container.running).then(|| STOPPED.to_owned()));
            let is_there = host.has_image(&container.image);
            obstacles.extend((!is_there).then(|| image_missing(&container.image)));
            secrets = exposed(&present, &container.env);
        }
        let body = present.beside(None);
        Found { id: thing.written_id(), owner, body, secrets, beyond, obstacles }
    }

    fn sight(&self, host: &Host, change: &Change) -> Sighting {
        let Some(body) = change.body() else { return Sighting::Absent };
        let name = body.name();
        if let Body::Image(_) = body {
            let address = Address::new(Kind::Image, format!("{}/{name}", self.place.name()));
            let image = || present_image(address, name.into());
            let image = host.has_image(name).then(image);
            return image.map_or(Sighting::Absent, |image| Sighting::Present(image.into()));
        }
        let Some(thing) = host.find(body.sort(), name) else { return Sighting::Absent };
        match self.ours(thing, change) {
            Ok((mark, adopted)) => {
                let known = self.known_secrets(host);
                Sighting::Present(present(thing.clone(), mark, adopted, &known).into())
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
            Act::Update => self.update(host, change, body),
            Act::Delete => self.delete(host, change, body),
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
            return self.update(host, change, body);
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

    fn update(&self, host: &mut Host, change: &Change, body: &Body) -> Result<bool, ApplyError> {
        let (sort, name) = (body.sort(), body.name());
        let gone = || ApplyError::Stale { why: format!("{sort} `{name}` is gone") };
        let thing = host.find(sort, name).ok_or_else(gone)?;
        let (mark, adopted) = self.ours(thing, change).map_err(|error| not_ours(thing, &error))?;
        let present = present(thing.clone(), mark, adopted, &self.known_secrets(host));
        match compare(body, &present, &self.secrets) {
            Transition::None => Ok(false),
            Transition::InPlace(_) => host.change(body).map(|()| true),
            Transition::Replace(differing) => Err(not_as_planned(sort, name, &differing)),
        }
    }

    fn delete(&self, host: &mut Host, change: &Change, body: &Body) -> Result<bool, ApplyError> {
        let (sort, name) = (body.sort(), body.name());
        if let Body::Image(_) = body {
            return Err(image_stays(name));
        }
        let Some(thing) = host.find(sort, name) else { return Ok(false) };
        self.ours(thing, change).map_err(|error| not_ours(thing, &error))?;
        host.remove(sort, name).map(|()| true)
    }

    fn mark(&self, thing: &Thing) -> Result<Mark, MarkError> {
        Mark::from_labels(&thing.mark, &self.installation, thing.body.name())
    }

    /// By what a thing is ours: its own mark, or that the change adopts exactly this one.
    fn ours(&self, thing: &Thing, change: &Change) -> Result<(Mark, Option<Adoption>), MarkError> {
        let error = match self.mark(thing) {
            Ok(mark) => return Ok((mark, None)),
            Err(error) => error,
        };
        if change.adopted.as_deref() != Some(&*thing.written_id()) {
            return Err(error);
        }
        let mark = self.stand_in(thing, &change.address, &change.origin).map_err(|_| error)?;
        Ok((mark, Some(adoption(thing))))
    }

    fn stand_in(&self, thing: &Thing, address: &Address, origin: &Origin) -> Result<Mark, String> {
        stand_in(address, origin, thing.body.name(), &thing.mark, &self.installation)
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

/// The things that wanted entries adopt, whosever they are.
fn meant(host: &Host, wanted: &[Wanted]) -> BTreeMap<Address, Thing> {
    let meant = wanted.iter().filter_map(|Wanted { address, adopted, .. }| {
        let (sort, adopted) = (sort_of(address.kind())?, adopted.as_ref()?);
        let is_it = |thing: &&Thing| {
            let body = &thing.body;
            body.sort() == sort && is_meant(address, adopted, body.name(), &thing.written_id())
        };
        Some((address.clone(), host.things.iter().find(is_it)?.clone()))
    });
    meant.collect()
}

/// What stands for the mark of a thing.
fn adoption(thing: &Thing) -> Adoption {
    let unsafe_one = matches!(&thing.body, Body::Container(c) if !c.no_new_privileges);
    let beyond = unsafe_one.then(|| MAY_GAIN.to_owned()).into_iter().collect();
    Adoption { id: thing.written_id(), beyond, takes_mark: false }
}

fn not_ours(thing: &Thing, error: &MarkError) -> ApplyError {
    ApplyError::Stale { why: format!("{} is not ours: {}", thing.in_words(), why_not(error)) }
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

fn present(
    mut thing: Thing,
    mark: Mark,
    adopted: Option<Adoption>,
    known: &HashMap<String, Fingerprint>,
) -> Present {
    let mut secrets = BTreeMap::new();
    if let Some(body) = thing.body.container_mut() {
        for (name, value) in &mut body.env {
            if let Some(fingerprint) = fingerprint(&thing.secrets, name, value, known) {
                secrets.insert(name.clone(), fingerprint);
                *value = Present::hidden();
            }
        }
    }
    let inherited = [
        (thing.subnet_chosen || adopted.is_some()).then_some("subnet"),
        adopted.is_some().then_some("no_new_privileges"),
    ];
    Present {
        birth: mark.address,
        origin: mark.origin,
        adopted,
        body: thing.body,
        inherited: inherited.into_iter().flatten().map(str::to_owned).collect(),
        secrets,
    }
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
