//! `lessor doctor --bootstrap`: what an administrator does so that we may do what the entries need,
//! and no more.

use std::fmt::Write as _;
use std::path::Path;

use lessor_providers::Entry;
use lessor_providers::proxmox::{TOKEN, bootstrap, needed};
use lessor_specs::load::load;
use lessor_specs::{Address, Kind, SecretRef, Specs};

use crate::args::Bootstrap;
use crate::exit::Failed;
use crate::output::Streams;
use crate::session::invalid;

/// The commands for each system of a sort, as one script with remarks.
///
/// # Errors
/// When the directory is not valid, since rights for half of it are of no use, or declares no such
/// system.
pub(super) fn text(dir: &Path, system: Bootstrap, streams: &Streams) -> anyhow::Result<String> {
    let loaded = load(dir).map_err(|report| invalid(&report, dir, streams))?;
    match system {
        Bootstrap::Proxmox => clusters(dir, &loaded.specs),
    }
}

fn clusters(dir: &Path, specs: &Specs) -> anyhow::Result<String> {
    if specs.proxmox.is_empty() {
        let message = format!("`{}` declares no cluster of Proxmox VE", dir.display());
        let hint = "write an entry such as `[proxmox.ams]` first: its nodes, its storage and its \
                    networks say which rights are needed";
        return Err(Failed::new(message).hint(hint).into());
    }
    let places = specs.proxmox.keys().map(|name| Address::new(Kind::Proxmox, &**name));
    let texts: Vec<_> = places.filter_map(|place| cluster(specs, &place)).collect();
    Ok(texts.join("\n"))
}

fn cluster(specs: &Specs, place: &Address) -> Option<String> {
    let Entry::Proxmox(entry, networks) = Entry::of(specs, place)? else { return None };
    let mut text = String::new();
    let _ = writeln!(text, "# {place}: as root on any node of the cluster at {}", entry.endpoint);
    text.push_str(&bootstrap(&needed(entry, &networks)));
    let _ = writeln!(text, "# The last one shows a `value`, this once. {}", kept(&entry.token));
    Some(text)
}

/// Where the secret belongs.
fn kept(token: &SecretRef) -> String {
    match token {
        SecretRef::Env(name) => {
            format!("Where lessor runs:\n#   export {name}='{TOKEN}=VALUE'")
        }
        SecretRef::File(path) => {
            format!("One line in `{path}`, from the spec directory:\n#   {TOKEN}=VALUE")
        }
    }
}
