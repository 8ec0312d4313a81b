//! Images: which there are, and what is in them.

mod catalogue;
pub(super) mod pull;
mod reference;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::{Call, empty, json};
use super::refusal::{Done, Refusal};
use super::state::{State, moment};
use super::wire::Config;
use crate::http::Answer;

pub(super) use reference::Reference;

/// What containers are made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Image {
    pub(super) id: String,
    /// Its names, `name:tag`.
    pub(super) tags: Vec<String>,
    /// Its names with the digest of a registry.
    digests: Vec<String>,
    created_ns: i64,
    tagged_ns: i64,
    size: u64,
    comment: String,
    pub(super) config: Config,
    /// What can be started in it, by name.
    pub(super) programs: BTreeSet<String>,
    /// Who is in its `/etc/passwd`.
    pub(super) users: BTreeSet<String>,
    layer: String,
}

impl Image {
    /// One that `docker import` made.
    pub(super) fn imported(
        state: &mut State,
        reference: &str,
        config: Config,
        programs: BTreeSet<String>,
    ) -> Image {
        let created_ns = state.now_ns();
        Image {
            id: format!("sha256:{}", state.fresh_id()),
            tags: vec![reference.to_owned()],
            digests: Vec::new(),
            created_ns,
            tagged_ns: created_ns,
            size: 1_982_312,
            comment: "Imported from -".into(),
            config,
            programs,
            users: BTreeSet::new(),
            layer: state.fresh_id(),
        }
    }

    fn digests(&self, reference: &Reference) -> bool {
        self.digests.iter().any(|digest| *digest == reference.familiar())
    }
}

impl State {
    /// The image of that name or id.
    pub(super) fn image(&self, name: &str) -> Option<&Image> {
        let id = name.strip_prefix("sha256:").unwrap_or(name);
        let is_id = !id.is_empty() && id.chars().all(|digit| digit.is_ascii_hexdigit());
        if let (true, Some(image)) = (is_id, self.images.get(&format!("sha256:{id}"))) {
            return Some(image);
        }
        if let Ok(reference) = Reference::parse(name) {
            let familiar = reference.familiar();
            let named = self
                .images
                .values()
                .find(|image| image.tags.contains(&familiar) || image.digests(&reference));
            if named.is_some() {
                return named;
            }
        }
        let prefix = format!("sha256:{id}");
        let mut found = self.images.values().filter(|image| is_id && image.id.starts_with(&prefix));
        found.next().filter(|_| found.next().is_none())
    }

    /// The image of that name, or why there is none.
    pub(super) fn image_or_not(&self, name: &str) -> Done<&Image> {
        if let Some(image) = self.image(name) {
            return Ok(image);
        }
        let is_id = name.starts_with("sha256:");
        let shown = if is_id { name.to_owned() } else { Reference::parse(name)?.familiar() };
        Err(Refusal::missing(format!("No such image: {shown}")))
    }

    /// Gives a name to an image, and takes it from whichever had it.
    pub(super) fn tag_image(&mut self, id: &str, name: &str) {
        for image in self.images.values_mut() {
            image.tags.retain(|tag| tag != name);
        }
        let now_ns = self.now_ns();
        if let Some(image) = self.images.get_mut(id) {
            image.tags.push(name.to_owned());
            image.tags.sort();
            image.tagged_ns = now_ns;
        }
    }
}

fn list_or_null(items: &[String]) -> Value {
    if items.is_empty() { Value::Null } else { json!(items) }
}

pub(super) fn list(state: &State, call: &Call) -> Done<Answer> {
    let filters = call.filters(&["dangling", "label", "before", "since", "reference"])?;
    let dangling = filters.flag("dangling")?;
    let mut images: Vec<&Image> = state.images.values().collect();
    images.sort_by_key(|image| std::cmp::Reverse(image.created_ns));
    let mut list = Vec::new();
    for image in images {
        let labels = image.config.labels.clone().unwrap_or_default();
        let suits =
            |tag: &&String| filters.any("reference", |pattern| reference::matches(pattern, tag));
        let tags: Vec<String> = image.tags.iter().filter(suits).cloned().collect();
        let named = !filters.has("reference") || !tags.is_empty();
        let is_dangling = image.tags.is_empty();
        if !named
            || !filters.labels(&labels)
            || dangling.is_some_and(|dangling| dangling != is_dangling)
        {
            continue;
        }
        let none = ["<none>:<none>".to_owned()];
        let tags = if tags.is_empty() { none.to_vec() } else { tags };
        list.push(json!({
            "Containers": -1,
            "Created": image.created_ns / 1_000_000_000,
            "Id": image.id,
            "Labels": image.config.labels,
            "ParentId": "",
            "RepoDigests": list_or_null(&image.digests),
            "RepoTags": tags,
            "SharedSize": -1,
            "Size": image.size,
            "VirtualSize": image.size,
        }));
    }
    Ok(json(200, &list))
}

pub(super) fn inspect(state: &State, name: &str) -> Done<Answer> {
    let image = state.image_or_not(name).map_err(|refusal| match refusal.status {
        404 => refusal.during(&format!("no such image: {name}: ")),
        _ => refusal,
    })?;
    let layer = format!("/var/lib/docker/overlay2/{}", image.layer);
    let mut body = json!({
        "Id": image.id,
        "RepoTags": image.tags,
        "RepoDigests": image.digests,
        "Parent": "",
        "Comment": image.comment,
        "Created": moment(image.created_ns),
        "Container": "",
        "ContainerConfig": Config::default(),
        "DockerVersion": "20.10.24",
        "Author": "",
        "Config": image.config,
        "Architecture": "amd64",
        "Os": "linux",
        "Size": image.size,
        "VirtualSize": image.size,
        "GraphDriver": {
            "Data": {
                "MergedDir": format!("{layer}/merged"),
                "UpperDir": format!("{layer}/diff"),
                "WorkDir": format!("{layer}/work"),
            },
            "Name": "overlay2",
        },
        "RootFS": { "Type": "layers", "Layers": [format!("sha256:{}", image.layer)] },
    });
    body["Metadata"] = json!({ "LastTagTime": moment(image.tagged_ns) });
    Ok(json(200, &body))
}

pub(super) fn history(state: &State, name: &str) -> Done<Answer> {
    let image = state.image_or_not(name)?;
    Ok(json(
        200,
        &json!([{
            "Comment": image.comment,
            "Created": image.created_ns / 1_000_000_000,
            "CreatedBy": "",
            "Id": image.id,
            "Size": image.size,
            "Tags": list_or_null(&image.tags),
        }]),
    ))
}

pub(super) fn tag(state: &mut State, name: &str, call: &Call) -> Done<Answer> {
    let id = state.image_or_not(name)?.id.clone();
    let (repository, tag) = (call.parameter("repo"), call.parameter("tag"));
    let text = if tag.is_empty() { repository.to_owned() } else { format!("{repository}:{tag}") };
    let reference =
        Reference::parse(&text).map_err(|refusal| Refusal { status: 500, ..refusal })?;
    state.tag_image(&id, &reference.familiar());
    let attributes = BTreeMap::from([("name".to_owned(), reference.familiar())]);
    state.tell("image", "tag", &id, attributes);
    Ok(empty(201))
}

/// Takes a name from an image; the image goes with its last.
pub(super) fn remove(state: &mut State, name: &str, call: &Call) -> Done<Answer> {
    let image = state.image_or_not(name)?.clone();
    let by_name = Reference::parse(name).ok().map(|reference| reference.familiar());
    let tag = by_name.filter(|tag| image.tags.contains(tag));
    let force = call.flag("force");
    let goes = tag.is_none() || image.tags.len() == 1;
    if goes {
        check_unused(state, &image, name, tag.is_some(), force)?;
    }
    if tag.is_none() && image.tags.len() > 1 && !force {
        let id = name;
        return Err(Refusal::conflict(format!(
            "conflict: unable to delete {id} (must be forced) - image is referenced in multiple \
             repositories"
        )));
    }
    let mut done = Vec::new();
    let untagged = tag.map_or_else(|| image.tags.clone(), |tag| vec![tag]);
    for tag in &untagged {
        done.push(json!({ "Untagged": tag }));
        state.tell("image", "untag", &image.id, [("name".into(), image.id.clone())].into());
    }
    if goes {
        done.extend(image.digests.iter().map(|digest| json!({ "Untagged": digest })));
        done.push(json!({ "Deleted": image.id }));
        done.push(json!({ "Deleted": format!("sha256:{}", image.layer) }));
        state.images.remove(&image.id);
        state.tell("image", "delete", &image.id, [("name".into(), image.id.clone())].into());
    } else if let Some(image) = state.images.get_mut(&image.id) {
        image.tags.retain(|tag| !untagged.contains(tag));
    }
    Ok(json(200, &done))
}

fn check_unused(state: &State, image: &Image, name: &str, by_tag: bool, force: bool) -> Done<()> {
    let mut users = state.containers.values().filter(|container| container.image == image.id);
    let running = users.clone().find(|container| container.life.status.is_alive());
    let Some(user) = running.or_else(|| users.next()) else { return Ok(()) };
    let (id, is_running) = (&user.id[..12], user.life.status.is_alive());
    let shown = image.id.trim_start_matches("sha256:");
    Err(Refusal::conflict(match (by_tag, is_running) {
        (true, _) if force && !is_running => return Ok(()),
        (false, false) if force => return Ok(()),
        (true, _) => format!(
            "conflict: unable to remove repository reference \"{name}\" (must force) - container \
             {id} is using its referenced image {}",
            &shown[..12]
        ),
        (false, true) => format!(
            "conflict: unable to delete {name} (cannot be forced) - image is being used by \
             running container {id}"
        ),
        (false, false) => format!(
            "conflict: unable to delete {name} (must be forced) - image is being used by stopped \
             container {id}"
        ),
    }))
}
