//! Pulling.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::catalogue::{self, BUSYBOX, Entry};
use super::{Image, Reference};
use crate::docker::call::{Call, empty};
use crate::docker::refusal::{Done, Refusal};
use crate::docker::state::State;
use crate::docker::wire::{Config, Set};
use crate::http::{Outcome, Stream};

/// `POST /images/create`: the image is there when the answer begins, and the answer tells how it
/// came, line by line.
pub(in crate::docker) fn create(state: &mut State, call: &Call) -> Done<Outcome> {
    if call.has("fromSrc") {
        return Err(Refusal::new(501, "importing an image is not modelled"));
    }
    let (name, tag) = (call.parameter("fromImage"), call.parameter("tag"));
    if name.is_empty() {
        return Err(Refusal::failed("Get \"http:\": http: no Host in request URL"));
    }
    let text = match tag {
        "" => name.to_owned(),
        tag if tag.contains(':') => format!("{name}@{tag}"),
        tag => format!("{name}:{tag}"),
    };
    let reference = Reference::parse(&text)?;
    let lines = pull(state, &reference)?;
    let (sender, stream) = Stream::new();
    for line in lines {
        // It holds more than there ever are.
        let _ = sender.try_send((line.to_string() + "\r\n").into_bytes());
    }
    Ok(Outcome::Streamed(empty(200).header("Content-Type", "application/json"), stream))
}

fn pull(state: &mut State, reference: &Reference) -> Done<Vec<serde_json::Value>> {
    let (registry, path) = reference.registry();
    let Some(entry) = catalogue::find(registry, path) else {
        return Err(unknown(registry, path, reference));
    };
    let familiar = reference.familiar();
    let digest = if reference.is_digest() {
        reference.suffix().to_owned()
    } else {
        format!("sha256:{}", hex(&familiar))
    };
    let by_digest = format!("{}@{digest}", reference.name);
    let layer = hex(&digest);
    let short = layer[..12].to_owned();
    let status = |status: &str, id: &str| json!({ "status": status, "id": id });
    let official = registry == "registry-1.docker.io" && !path.contains('/');
    let from = format!("Pulling from {}{path}", if official { "library/" } else { "" });
    let mut lines = vec![status(&from, reference.suffix())];
    let id = format!("sha256:{}", hex(&layer));
    let is_new = !state.images.contains_key(&id);
    if is_new {
        let total = 2_000_000;
        lines.push(json!({ "status": "Pulling fs layer", "progressDetail": {}, "id": short }));
        for part in [total / 4, total / 2, total] {
            lines.push(json!({
                "status": "Downloading",
                "progressDetail": { "current": part, "total": total },
                "progress": "[==================================================>]",
                "id": short,
            }));
        }
        for step in ["Verifying Checksum", "Download complete", "Extracting", "Pull complete"] {
            lines.push(json!({ "status": step, "progressDetail": {}, "id": short }));
        }
        let image = pulled(state, entry, &id, layer);
        state.images.insert(id.clone(), image);
    }
    if let Some(image) = state.images.get_mut(&id)
        && !image.digests.contains(&by_digest)
    {
        image.digests.push(by_digest);
    }
    if !reference.is_digest() {
        state.tag_image(&id, &familiar);
    }
    lines.push(json!({ "status": format!("Digest: {digest}") }));
    let end = if is_new { "Downloaded newer image for" } else { "Image is up to date for" };
    lines.push(json!({ "status": format!("Status: {end} {familiar}") }));
    let attributes = BTreeMap::from([("name".to_owned(), reference.name.clone())]);
    state.tell("image", "pull", &familiar, attributes);
    Ok(lines)
}

/// What the engine hears from a registry that does not know it, or cannot be found.
fn unknown(registry: &str, path: &str, reference: &Reference) -> Refusal {
    let host = registry.split(':').next().unwrap_or_default();
    if host == "example" || host.ends_with(".example") {
        let name = &reference.name;
        return Refusal::missing(format!(
            "manifest for {} not found: manifest unknown: manifest unknown",
            if name.is_empty() { path.to_owned() } else { reference.familiar() }
        ));
    }
    if host == "localhost" || host.starts_with("127.") {
        let address = registry.replace("localhost", "127.0.0.1");
        return Refusal::failed(format!(
            "Get \"http://{registry}/v2/\": dial tcp {address}: connect: connection refused"
        ));
    }
    if registry == "registry-1.docker.io" {
        let name = &reference.name;
        return Refusal::missing(format!(
            "pull access denied for {name}, repository does not exist or may require 'docker \
             login': denied: requested access to the resource is denied"
        ));
    }
    Refusal::failed(format!(
        "Get \"https://{registry}/v2/\": dial tcp: lookup {host} on 127.0.0.11:53: no such host"
    ))
}

fn pulled(state: &mut State, entry: &Entry, id: &str, layer: String) -> Image {
    let words = |words: &[&str]| -> Vec<String> { words.iter().map(ToString::to_string).collect() };
    let set = |names: &[&str]| {
        let names = names.iter().map(ToString::to_string).collect();
        (names != BTreeSet::new()).then_some(Set(names))
    };
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let now_ns = state.now_ns();
    Image {
        id: id.to_owned(),
        tags: Vec::new(),
        digests: Vec::new(),
        created_ns: now_ns,
        tagged_ns: now_ns,
        size: 4_000_000 + u64::from(layer.as_bytes()[0]) * 100_000,
        comment: String::new(),
        config: Config {
            env: Some(vec![path.into()]),
            entrypoint: (!entry.entrypoint.is_empty()).then(|| words(entry.entrypoint)),
            cmd: Some(words(entry.command)),
            exposed_ports: set(entry.ports),
            volumes: set(entry.volumes),
            ..Config::default()
        },
        programs: BUSYBOX.iter().chain(entry.programs).map(ToString::to_string).collect(),
        users: ["root", "nobody", "daemon"].map(str::to_owned).into(),
        layer,
    }
}

fn hex(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        // Writing to text cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
