//! What a report needs beside the plan: where things are declared, and which are as declared.

use std::collections::BTreeMap;
use std::path::Path;

use lessor_engine::World;
use lessor_plans::render::{Purpose, Settled, Site, View};
use lessor_plans::{Observation, Plan};
use lessor_specs::{Address, Kind, Loaded, Specs, machine_name};

use crate::args::{Selecting, Showing};
use crate::config;
use crate::declarations::{Declarations, prefix, slashed};
use crate::output::ReportFormat;
use crate::session::{Looked, Session};

/// The view of what a look came to, with what the asked forms take.
pub(crate) fn of_look(
    session: &Session,
    looked: &Looked,
    purpose: Purpose,
    (selecting, showing): (&Selecting, &Showing),
) -> View {
    let mut view = View::of(&looked.plan, purpose);
    if showing.formats().any(|format| format == ReportFormat::Junit) {
        view = view.with_settled(settled(&session.loaded, &looked.world, selecting));
    }
    with_sites(view, &session.loaded, &session.dir, showing.formats())
}

/// The view of a saved plan, whose specs come with it; `dir` is where they were.
pub(crate) fn of_saved(plan: &Plan, loaded: &Loaded, dir: &Path, format: ReportFormat) -> View {
    with_sites(View::of(plan, Purpose::Plan), loaded, dir, [format])
}

fn with_sites(
    view: View,
    loaded: &Loaded,
    dir: &Path,
    formats: impl IntoIterator<Item = ReportFormat>,
) -> View {
    if !formats.into_iter().any(ReportFormat::points) {
        return view;
    }
    let (declarations, prefix) = (Declarations::of(loaded), prefix(dir));
    view.with_sites(|address| declarations.site(address, &prefix), root(&prefix))
}

/// Stands for what is declared nowhere: every spec directory has this file.
pub(crate) fn root(prefix: &Path) -> Site {
    Site { file: slashed(&prefix.join(config::FILE)).into(), line: 1, column: 1 }
}

/// What was seen and is declared, and every connection. Whatever differs has a line of its own, so
/// it is no matter that it is among these.
fn settled(loaded: &Loaded, world: &World, selecting: &Selecting) -> Vec<Settled> {
    let declarations = Declarations::of(loaded);
    let now_called = now_called(&loaded.specs);
    let things = |(place, seen): (&Address, &Observation)| {
        let own = seen.present.keys().filter(|birth| birth.kind() != Kind::Image);
        let own = own.map(|birth| now_called.get(birth).unwrap_or(birth).clone());
        let own = own.filter(|address| declarations.entry(address).is_some());
        let own = own.filter(|address| selecting.selects(address, place));
        let settled = own.map(|address| Settled { address, place: place.clone() });
        let host = Settled { address: place.clone(), place: place.clone() };
        settled.chain([host]).collect::<Vec<_>>()
    };
    world.observations().iter().flat_map(things).collect()
}

/// The machines that pools make.
fn made(specs: &Specs) -> Vec<Address> {
    let pools = specs.pool.iter();
    let machines = pools.flat_map(|(pool, entry)| {
        (1..=entry.replicas.unwrap_or(0)).map(move |number| machine_name(pool, number))
    });
    machines.map(|name| Address::new(Kind::Machine, name)).collect()
}

/// What things are called by now, by the address in their mark.
pub(crate) fn now_called(specs: &Specs) -> BTreeMap<Address, Address> {
    let names = |kind, names: Vec<&String>| {
        names.into_iter().map(|name| Address::new(kind, &**name)).collect::<Vec<_>>()
    };
    let all = [
        names(Kind::Network, specs.network.keys().collect()),
        names(Kind::Volume, specs.volume.keys().chain(specs.instance.keys()).collect()),
        names(Kind::Container, specs.container.keys().collect()),
        names(Kind::Instance, specs.instance.keys().collect()),
        made(specs),
    ];
    all.into_iter()
        .flatten()
        .flat_map(|now| specs.moved(&now).into_iter().map(move |old| (old, now.clone())))
        .collect()
}
