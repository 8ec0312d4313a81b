//! What is mounted in a container.

use std::collections::BTreeSet;

use super::is_name;
use crate::docker::refusal::{Done, Refusal};
use crate::docker::state::State;
use crate::docker::wire::{Config, HostConfig, MountPoint, Mounted};

/// Directories of the machine that are there.
const HOST_DIRECTORIES: [&str; 7] = ["/", "/etc", "/home", "/srv", "/tmp", "/var", "/var/run"];

/// Something to mount, and a volume that is made with it.
struct Wanted {
    mounted: Mounted,
    labels: Option<std::collections::BTreeMap<String, String>>,
}

/// Everything a container asks for. Nothing is made when something is wrong.
pub(super) fn mounts(state: &mut State, config: &Config, host: &HostConfig) -> Done<Vec<Mounted>> {
    let mut wanted = Vec::new();
    for bind in host.binds.iter().flatten() {
        let mounted = bound(bind)?;
        wanted.push(Wanted { mounted, labels: None });
    }
    for mount in host.mounts.iter().flatten() {
        check(mount)?;
        wanted.push(pointed(mount));
    }
    let mut targets = BTreeSet::new();
    for Wanted { mounted, .. } in &wanted {
        if !targets.insert(mounted.destination.clone()) {
            let target = &mounted.destination;
            return Err(Refusal::invalid(format!("Duplicate mount point: {target}")));
        }
    }
    for target in config.volumes.iter().flat_map(|volumes| &volumes.0) {
        if targets.insert(target.clone()) {
            let mounted = volume(String::new(), target, "", true);
            wanted.push(Wanted { mounted, labels: None });
        }
    }
    for Wanted { mounted, .. } in &wanted {
        if mounted.sort == "volume" && !mounted.name.is_empty() {
            check_volume(state, &mounted.name)?;
        }
    }
    let mut mounts = Vec::new();
    for Wanted { mut mounted, labels } in wanted {
        if mounted.sort == "volume" {
            let is_anonymous = mounted.name.is_empty();
            if is_anonymous {
                mounted.name = state.fresh_id();
            }
            mounted.source = state.provide_volume(&mounted.name, labels, None)?.mountpoint();
            if is_anonymous && let Some(volume) = state.volumes.get_mut(&mounted.name) {
                volume.is_anonymous = true;
            }
        }
        mounts.push(mounted);
    }
    Ok(mounts)
}

/// A volume's name is looked at before any volume is made.
fn check_volume(state: &State, name: &str) -> Done<()> {
    if state.volumes.contains_key(name) || is_name(name) {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "create {name}: {name:?} includes invalid characters for a local volume name, only \
         \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use \
         absolute path"
    )))
}

fn volume(name: String, target: &str, mode: &str, is_writable: bool) -> Mounted {
    Mounted {
        sort: "volume".into(),
        name,
        destination: target.to_owned(),
        driver: "local".into(),
        mode: mode.into(),
        is_writable,
        ..Mounted::default()
    }
}

/// `SOURCE:TARGET[:MODE]`, or a target alone.
fn bound(text: &str) -> Done<Mounted> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, mode) = match *parts {
        [target] => ("", target, ""),
        [source, target] => (source, target, ""),
        [source, target, mode] => (source, target, mode),
        _ => {
            return Err(Refusal::failed(format!("invalid volume specification: '{text}'")));
        }
    };
    let modes = ["", "ro", "rw", "z", "Z", "nocopy", "rprivate", "private", "rshared", "rslave"];
    if !mode.split(',').all(|mode| modes.contains(&mode)) {
        return Err(Refusal::failed(format!("invalid mode: {mode}")));
    }
    let is_path = source.starts_with('/');
    let sort = if is_path { "bind" } else { "volume" };
    let invalid = |why: &str| {
        Err(Refusal::failed(format!(
            "invalid volume specification: '{text}': invalid mount config for type \"{sort}\": {why}"
        )))
    };
    if !target.starts_with('/') {
        return invalid(&format!("invalid mount path: '{target}' mount path must be absolute"));
    }
    if target == "/" {
        return invalid("invalid specification: destination can't be '/'");
    }
    let is_writable = !mode.split(',').any(|mode| mode == "ro");
    if !is_path {
        let mode = if mode.is_empty() && !source.is_empty() { "z" } else { mode };
        return Ok(volume(source.to_owned(), target, mode, is_writable));
    }
    Ok(Mounted {
        sort: sort.into(),
        source: source.to_owned(),
        destination: target.to_owned(),
        mode: mode.into(),
        is_writable,
        propagation: "rprivate".into(),
        ..Mounted::default()
    })
}

fn check(mount: &MountPoint) -> Done<()> {
    let sort = &mount.sort;
    let invalid = |why: &str| {
        Err(Refusal::invalid(format!("invalid mount config for type \"{sort}\": {why}")))
    };
    if mount.target.is_empty() {
        return invalid("field Target must not be empty");
    }
    if !mount.target.starts_with('/') {
        return invalid(&format!(
            "invalid mount path: '{}' mount path must be absolute",
            mount.target
        ));
    }
    match &**sort {
        "bind" if mount.source.is_empty() => invalid("field Source must not be empty"),
        "bind" if !HOST_DIRECTORIES.contains(&&*mount.source) => {
            invalid(&format!("bind source path does not exist: {}", mount.source))
        }
        "tmpfs" if !mount.source.is_empty() => invalid("field Source must not be specified"),
        "volume" | "bind" | "tmpfs" => Ok(()),
        _ => invalid("mount type unknown"),
    }
}

fn pointed(mount: &MountPoint) -> Wanted {
    let is_writable = !mount.read_only;
    let labels = mount.volume_options.as_ref().and_then(|options| options.labels.clone());
    let mounted = match &*mount.sort {
        "volume" => {
            let mode = if mount.source.is_empty() { "" } else { "z" };
            volume(mount.source.clone(), &mount.target, mode, is_writable)
        }
        sort => Mounted {
            sort: sort.into(),
            source: mount.source.clone(),
            destination: mount.target.clone(),
            is_writable,
            propagation: if sort == "bind" { "rprivate".into() } else { String::new() },
            ..Mounted::default()
        },
    };
    Wanted { mounted, labels }
}
