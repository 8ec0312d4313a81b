//! The firewall: files of options, rules and names, for the cluster, each node and each guest.

mod names;
mod rules;
mod verify;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::call::{Call, Handler, digest, lines};
use super::refusal::{Refusal, Result};
use super::tables::tables;
use super::world::Options;

pub(super) use verify::{address_complaint, protocol_complaint};

/// A file of the firewall.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Firewall {
    options: Options,
    /// In order: the first one that fits decides.
    rules: Vec<Options>,
    /// By their names in small letters.
    aliases: BTreeMap<String, Alias>,
    sets: BTreeMap<String, Set>,
    groups: BTreeMap<String, Group>,
}

/// Another name of an address.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Alias {
    name: String,
    cidr: String,
    comment: Option<String>,
}

/// Addresses with a name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Set {
    comment: Option<String>,
    /// `cidr`, `nomatch`, `comment`
    members: Vec<Options>,
}

/// Rules with a name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Group {
    comment: Option<String>,
    rules: Vec<Options>,
}

macro_rules! file {
    ($path:literal) => {
        [
            (concat!("GET ", $path, "/options"), options as Handler),
            (concat!("PUT ", $path, "/options"), update_options),
            (concat!("GET ", $path, "/rules"), rules::list),
            (concat!("POST ", $path, "/rules"), rules::create),
            (concat!("GET ", $path, "/rules/{pos}"), rules::read),
            (concat!("PUT ", $path, "/rules/{pos}"), rules::update),
            (concat!("DELETE ", $path, "/rules/{pos}"), rules::delete),
            (concat!("GET ", $path, "/refs"), names::references),
            (concat!("GET ", $path, "/aliases"), names::aliases),
            (concat!("POST ", $path, "/aliases"), names::create_alias),
            (concat!("GET ", $path, "/aliases/{name}"), names::alias),
            (concat!("PUT ", $path, "/aliases/{name}"), names::update_alias),
            (concat!("DELETE ", $path, "/aliases/{name}"), names::delete_alias),
            (concat!("GET ", $path, "/ipset"), names::sets),
            (concat!("POST ", $path, "/ipset"), names::create_set),
            (concat!("GET ", $path, "/ipset/{name}"), names::set),
            (concat!("DELETE ", $path, "/ipset/{name}"), names::delete_set),
            (concat!("POST ", $path, "/ipset/{name}"), names::create_member),
            (concat!("GET ", $path, "/ipset/{name}/{cidr}"), names::member),
            (concat!("PUT ", $path, "/ipset/{name}/{cidr}"), names::update_member),
            (concat!("DELETE ", $path, "/ipset/{name}/{cidr}"), names::delete_member),
        ]
    };
}

const OF_CLUSTER: [(&str, Handler); 21] = file!("/cluster/firewall");
const OF_NODE: [(&str, Handler); 21] = file!("/nodes/{node}/firewall");
const OF_MACHINE: [(&str, Handler); 21] = file!("/nodes/{node}/qemu/{vmid}/firewall");
const OF_CONTAINER: [(&str, Handler); 21] = file!("/nodes/{node}/lxc/{vmid}/firewall");

/// What answers each method, by the file it is about.
pub(super) const HANDLERS: [&[(&str, Handler)]; 5] =
    [&OF_CLUSTER, &OF_NODE, &OF_MACHINE, &OF_CONTAINER, OF_GROUPS];

const OF_GROUPS: &[(&str, Handler)] = &[
    ("GET /cluster/firewall/macros", rules::macros),
    ("GET /cluster/firewall/groups", names::groups),
    ("POST /cluster/firewall/groups", names::create_group),
    ("DELETE /cluster/firewall/groups/{group}", names::delete_group),
    ("GET /cluster/firewall/groups/{group}", rules::list),
    ("POST /cluster/firewall/groups/{group}", rules::create),
    ("GET /cluster/firewall/groups/{group}/{pos}", rules::read),
    ("PUT /cluster/firewall/groups/{group}/{pos}", rules::update),
    ("DELETE /cluster/firewall/groups/{group}/{pos}", rules::delete),
];

/// The file of the cluster.
const CLUSTER: &str = "cluster";

/// The file of a guest.
pub(super) fn guest_file(vmid: u32) -> String {
    format!("guest/{vmid}")
}

/// The file that a path is about.
fn file_name(call: &Call<'_>) -> String {
    if call.path.starts_with("/cluster") {
        CLUSTER.into()
    } else if call.path.contains("{vmid}") {
        guest_file(call.given.vmid())
    } else {
        format!("node/{}", call.node)
    }
}

/// The file that a path is about; one that is not there is empty.
fn file(call: &Call<'_>) -> Firewall {
    call.world.firewalls.get(&file_name(call)).cloned().unwrap_or_default()
}

/// The same, to be changed.
fn file_mut<'c>(call: &'c mut Call<'_>) -> &'c mut Firewall {
    let name = file_name(call);
    call.world.firewalls.entry(name).or_default()
}

/// Options as they are told: numbers are numbers.
fn typed(options: &Options) -> Map<String, Value> {
    let told = options.iter().map(|(key, text)| {
        let number = text.parse::<i64>().ok().map(Value::from);
        (key.clone(), number.unwrap_or_else(|| text.as_str().into()))
    });
    told.collect()
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn options(call: &mut Call<'_>) -> Result<Value> {
    let file = file(call);
    let mut row = typed(&file.options);
    row.insert("digest".into(), digest(&lines(&file.options)).into());
    Ok(row.into())
}

/// Parameters of an update that are none of the options.
const NOT_OPTIONS: [&str; 4] = ["node", "vmid", "delete", "digest"];

/// Whether the method of a call sets an option of that name.
fn is_option(call: &Call<'_>, name: &str) -> bool {
    let mut methods = tables().methods.iter();
    let method = methods.find(|method| method.verb == "PUT" && method.path == call.path);
    !NOT_OPTIONS.contains(&name) && method.is_some_and(|one| one.parameters.contains_key(name))
}

fn update_options(call: &mut Call<'_>) -> Result<Value> {
    call.same_digest(&digest(&lines(&file(call).options)))?;
    let gone = call.given.list("delete");
    if let Some(name) = gone.iter().find(|name| !is_option(call, name)) {
        return Err(Refusal::parameter("delete", format!("no such option '{name}'")));
    }
    let mut given = call.given.without(&NOT_OPTIONS);
    // Of the cluster it can be written since when it is on.
    let is_time = call.given.number("enable").is_some_and(|enable| enable > 1);
    if is_time && call.path.starts_with("/cluster") {
        given.insert("enable".into(), call.world.now().to_string());
    }
    let options = &mut file_mut(call).options;
    options.retain(|key, _| !gone.contains(key));
    options.extend(given);
    Ok(Value::Null)
}
