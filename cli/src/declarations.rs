//! Where things are declared: in an entry of their own, or in the one that brings them along.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lessor_plans::render::Site;
use lessor_specs::{Address, Kind, Loaded, Specs};

/// The entries of a spec directory, by what they ask for.
pub(crate) struct Declarations<'l> {
    loaded: &'l Loaded,
    /// The first entry that runs an image, by connection and reference, and by reference alone.
    runners: OnceCell<Runners>,
}

#[derive(Default)]
struct Runners {
    containers: BTreeMap<(String, String), Address>,
    images: BTreeMap<String, Address>,
}

impl<'l> Declarations<'l> {
    pub(crate) fn of(loaded: &'l Loaded) -> Self {
        Declarations { loaded, runners: OnceCell::new() }
    }

    /// The entry that asks for a thing, with its file, line and column.
    pub(crate) fn entry(&self, address: &Address) -> Option<(Address, &'l str, usize, usize)> {
        let place = |entry: Address| {
            let (file, line, column) = self.loaded.declared_at(&entry)?;
            Some((entry, file, line, column))
        };
        place(address.clone()).or_else(|| place(self.bringer(address)?))
    }

    /// As readers of a report find it; see [`prefix`].
    pub(crate) fn site(&self, address: &Address, prefix: &Path) -> Option<Site> {
        let (_, file, line, column) = self.entry(address)?;
        Some(Site { file: slashed(&prefix.join(file)).into(), line, column })
    }

    /// The entry that brings a thing along which has none of its own.
    fn bringer(&self, address: &Address) -> Option<Address> {
        match address.kind() {
            Kind::Image => self.runner(address),
            Kind::Machine => {
                let (pool, ..) = self.loaded.specs.made_by(address.name())?;
                Some(Address::new(Kind::Pool, pool))
            }
            _ => address.bringer(),
        }
    }

    /// The first entry that runs an image: an image is there because something runs it.
    fn runner(&self, image: &Address) -> Option<Address> {
        let (docker, reference) = image.name().split_once('/')?;
        let runners = self.runners.get_or_init(|| Runners::of(&self.loaded.specs));
        let container = runners.containers.get(&(docker.to_owned(), reference.to_owned()));
        container.or_else(|| runners.images.get(reference)).cloned()
    }
}

impl Runners {
    fn of(specs: &Specs) -> Runners {
        let mut runners = Runners::default();
        for (name, container) in &specs.container {
            if let Some(docker) = specs.docker_of(container.docker.as_deref()) {
                let key = (docker.to_owned(), container.image.clone());
                let runner = || Address::new(Kind::Container, &**name);
                runners.containers.entry(key).or_insert_with(runner);
            }
        }
        for (name, image) in &specs.image {
            if let Some(image) = &image.container {
                let runner = || Address::new(Kind::Image, &**name);
                runners.images.entry(image.reference.clone()).or_insert_with(runner);
            }
        }
        runners
    }
}

/// The way to a spec directory for those who read reports: from the root of its repository, or from
/// here when it is in none and below. Readers of pipelines know no other paths.
pub(crate) fn prefix(dir: &Path) -> PathBuf {
    let Ok(dir) = dir.canonicalize() else { return PathBuf::new() };
    let is_repository = |dir: &&Path| dir.join(".git").exists();
    let repository = dir.ancestors().find(is_repository).map(Path::to_owned);
    let here = || std::env::current_dir().and_then(|here| here.canonicalize()).ok();
    let root = repository.or_else(here);
    let below = root.and_then(|root| Some(dir.strip_prefix(root).ok()?.to_owned()));
    below.unwrap_or_default()
}

/// A path with `/` between its parts.
pub(crate) fn slashed(path: &Path) -> String {
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}
