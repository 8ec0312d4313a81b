//! Where the machines that we make come from: their pool, and the image that it runs.

use lessor_specs::{Kind, Specs};

use super::{Part, Source, at, part};
use crate::outline::Outlined;

/// A machine that we make: its pool, what that runs, and the connection.
pub(super) fn parts(specs: &Specs, thing: &Outlined) -> Vec<Part> {
    let Some((name, pool, _)) = specs.made_by(thing.address.name()) else { return Vec::new() };
    let image = pool.image.iter().map(|image| part(Kind::Image, image));
    let why = pool.docker.is_none().then_some("the only connection");
    let host = Part { entry: thing.place.clone(), why };
    [part(Kind::Pool, name)].into_iter().chain(image).chain([host]).collect()
}

/// Where an attribute of a machine comes from.
pub(super) fn source(specs: &Specs, name: &str, field: &str, key: &str) -> Source {
    let unknown = Source::Own("always");
    let Some((name, pool, _)) = specs.made_by(name) else { return unknown };
    let image = pool.image.as_deref().unwrap_or_default();
    match field {
        "cpu" | "memory" | "pids" | "ports" => at(Kind::Pool, name, &[field]),
        "image" => at(Kind::Image, image, &["container", "ref"]),
        "command" => at(Kind::Image, image, &["container", "command"]),
        "env" => at(Kind::Image, image, &["container", "env", key]),
        _ => unknown,
    }
}
