//! Calls about zones, networks and subnets.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Kind, lies_in};
use crate::proxmox::call::{Call, Handler, Params};
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::tasks::{Act, Job};
use crate::proxmox::world::Options;

pub(in crate::proxmox) const HANDLERS: &[(&str, Handler)] = &[
    ("PUT /cluster/sdn", apply),
    ("POST /cluster/sdn/rollback", rollback),
    ("GET /cluster/sdn/ipams", ipams),
    ("GET /cluster/sdn/dns", nothing),
    ("GET /cluster/sdn/controllers", nothing),
    ("GET /cluster/sdn/zones", zones),
    ("POST /cluster/sdn/zones", create_zone),
    ("GET /cluster/sdn/zones/{zone}", zone),
    ("PUT /cluster/sdn/zones/{zone}", update_zone),
    ("DELETE /cluster/sdn/zones/{zone}", delete_zone),
    ("GET /cluster/sdn/vnets", vnets),
    ("POST /cluster/sdn/vnets", create_vnet),
    ("GET /cluster/sdn/vnets/{vnet}", vnet),
    ("PUT /cluster/sdn/vnets/{vnet}", update_vnet),
    ("DELETE /cluster/sdn/vnets/{vnet}", delete_vnet),
    ("GET /cluster/sdn/vnets/{vnet}/subnets", subnets),
    ("POST /cluster/sdn/vnets/{vnet}/subnets", create_subnet),
    ("GET /cluster/sdn/vnets/{vnet}/subnets/{subnet}", subnet),
    ("PUT /cluster/sdn/vnets/{vnet}/subnets/{subnet}", update_subnet),
    ("DELETE /cluster/sdn/vnets/{vnet}/subnets/{subnet}", delete_subnet),
    ("GET /nodes/{node}/sdn/zones", on_node),
    ("GET /nodes/{node}/sdn/zones/{zone}/content", content),
];

const RIGHTS: [&str; 3] = ["SDN.Audit", "SDN.Use", "SDN.Allocate"];

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn apply(call: &mut Call<'_>) -> Result<Value> {
    let (caller, node) = (call.caller.clone(), call.world.here.clone());
    let job = Job { act: Act::ApplySdn, vmid: None, given: Params::default(), caller, node };
    let takes_ms = call.world.pace.task_ms;
    Ok(call.world.begin("reloadnetworkall", "", takes_ms, job))
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn rollback(call: &mut Call<'_>) -> Result<Value> {
    for kind in [Kind::Zone, Kind::Vnet, Kind::Subnet] {
        let staged = kind.of_mut(&mut call.world.sdn);
        staged.wanted = staged.running.clone();
    }
    Ok(Value::Null)
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn ipams(_: &mut Call<'_>) -> Result<Value> {
    let digest = crate::proxmox::call::digest("");
    Ok(json!([{ "ipam": "pve", "type": "pve", "digest": digest }]))
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn nothing(_: &mut Call<'_>) -> Result<Value> {
    Ok(json!([]))
}

/// The zone of an object, for its rights.
fn zone_path(call: &Call<'_>, kind: Kind, id: &str) -> String {
    let sdn = &call.world.sdn;
    let of_vnet = |vnet: &str| {
        let running = sdn.vnets.running.get(vnet).and_then(|options| options.get("zone")).cloned();
        sdn.zone_of(vnet).or(running).unwrap_or_default()
    };
    match kind {
        Kind::Zone => format!("/sdn/zones/{id}"),
        Kind::Vnet => format!("/sdn/zones/{}/{id}", of_vnet(id)),
        Kind::Subnet => {
            let vnet = call.given.text("vnet");
            format!("/sdn/zones/{}/{vnet}", of_vnet(vnet))
        }
    }
}

/// Rows of all objects of a kind that the call wants and may see.
fn rows(call: &Call<'_>, kind: Kind, fits: impl Fn(&Options) -> bool) -> Value {
    let staged = kind.of(&call.world.sdn);
    let ids: BTreeSet<&String> = staged.wanted.keys().chain(staged.running.keys()).collect();
    let mut rows = Vec::new();
    for id in ids {
        let options = staged.wanted.get(id).or_else(|| staged.running.get(id));
        let seen = options.is_some_and(&fits) && call.may_any(&zone_path(call, kind, id), &RIGHTS);
        rows.extend(row(call, kind, id).filter(|_| seen));
    }
    rows.into()
}

fn row(call: &Call<'_>, kind: Kind, id: &str) -> Option<Value> {
    let staged = kind.of(&call.world.sdn);
    let row = if call.given.flag("pending") {
        staged.pending(kind, id)
    } else if call.given.flag("running") {
        staged.running(kind, id)
    } else {
        staged.wanted(kind, id)
    };
    row.map(Value::Object)
}

fn absent(id: &str) -> Refusal {
    Refusal::failed(format!("sdn '{id}' does not exist"))
}

fn one(call: &Call<'_>, kind: Kind) -> Result<Value> {
    let id = call.given.text(kind.key());
    row(call, kind, id).ok_or_else(|| absent(id))
}

/// Parameters that are none of the object.
const NOT_OPTIONS: [&str; 8] =
    ["zone", "vnet", "subnet", "digest", "delete", "lock-token", "type", "node"];

/// What an object of that kind is made of by the call.
fn options(call: &Call<'_>, before: Option<&Options>) -> Options {
    let mut options = before.cloned().unwrap_or_default();
    for key in call.given.list("delete") {
        options.remove(&key);
    }
    options.extend(call.given.without(&NOT_OPTIONS));
    options
}

/// The object to be changed, when its digest is right.
fn to_change(call: &Call<'_>, kind: Kind) -> Result<(String, Options)> {
    let id = call.given.text(kind.key()).to_owned();
    let staged = kind.of(&call.world.sdn);
    call.same_digest(&staged.digest())?;
    let before = staged.wanted.get(&id).ok_or_else(|| absent(&id))?;
    Ok((id, options(call, Some(before))))
}

fn put(call: &mut Call<'_>, kind: Kind, id: String, options: Options) -> Value {
    kind.of_mut(&mut call.world.sdn).wanted.insert(id, options);
    Value::Null
}

fn remove(call: &mut Call<'_>, kind: Kind) -> Result<Value> {
    let id = call.given.text(kind.key()).to_owned();
    match kind.of_mut(&mut call.world.sdn).wanted.remove(&id) {
        Some(_) => Ok(Value::Null),
        None => Err(absent(&id)),
    }
}

fn new(call: &Call<'_>, kind: Kind, id: &str) -> Result<()> {
    if kind.of(&call.world.sdn).wanted.contains_key(id) {
        let key = kind.key();
        return Err(Refusal::failed(format!("sdn {key} object ID '{id}' already defined")));
    }
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn zones(call: &mut Call<'_>) -> Result<Value> {
    let kind = call.given.get("type");
    Ok(rows(call, Kind::Zone, |zone| {
        kind.is_none_or(|kind| zone.get("type").is_some_and(|found| found == kind))
    }))
}

fn zone(call: &mut Call<'_>) -> Result<Value> {
    one(call, Kind::Zone)
}

fn create_zone(call: &mut Call<'_>) -> Result<Value> {
    let id = call.given.text("zone").to_owned();
    let kind = call.given.text("type").to_owned();
    let needed: &[&str] = match kind.as_str() {
        "vlan" => &["bridge"],
        "qinq" => &["bridge", "tag"],
        "evpn" => &["controller", "vrf-vxlan"],
        _ => &[],
    };
    if let Some(missing) = needed.iter().find(|key| call.given.get(key).is_none()) {
        return Err(Refusal::failed(format!("missing value for required option '{missing}'")));
    }
    new(call, Kind::Zone, &id).map_err(|refusal| refusal.while_doing("create sdn zone object"))?;
    let mut options = options(call, None);
    options.insert("type".into(), kind);
    Ok(put(call, Kind::Zone, id, options))
}

fn update_zone(call: &mut Call<'_>) -> Result<Value> {
    let changed = to_change(call, Kind::Zone);
    let (id, options) = changed.map_err(|refusal| refusal.while_doing("update sdn zone object"))?;
    Ok(put(call, Kind::Zone, id, options))
}

fn delete_zone(call: &mut Call<'_>) -> Result<Value> {
    let failed = |refusal: Refusal| refusal.while_doing("delete sdn zone object");
    let id = call.given.text("zone").to_owned();
    let inside = |options: &Options| options.get("zone") == Some(&id);
    let found = call.world.sdn.vnets.wanted.iter().find(|(_, options)| inside(options));
    if let Some((vnet, _)) = found {
        let at = "at /usr/share/perl5/PVE/Network/SDN/Zones/Plugin.pm line 149.";
        return Err(failed(Refusal::failed(format!("zone {id} is used by vnet {vnet} {at}"))));
    }
    remove(call, Kind::Zone).map_err(failed)
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn vnets(call: &mut Call<'_>) -> Result<Value> {
    Ok(rows(call, Kind::Vnet, |_| true))
}

fn vnet(call: &mut Call<'_>) -> Result<Value> {
    one(call, Kind::Vnet)
}

/// Goes on only with a tag that the zone wants and no other network has.
fn check_vnet(call: &Call<'_>, id: &str, options: &Options) -> Result<()> {
    let sdn = &call.world.sdn;
    let zone = options.get("zone").map(String::as_str).unwrap_or_default();
    let kind = sdn.zones.wanted.get(zone).and_then(|zone| zone.get("type"));
    let Some(kind) = kind else {
        let at = "at /usr/share/perl5/PVE/API2/Network/SDN/Vnets.pm line 326.";
        return Err(Refusal::failed(format!("cannot lookup undefined type! {at}")));
    };
    let tag = options.get("tag");
    match (kind.as_str(), tag) {
        ("vlan" | "qinq" | "vxlan" | "evpn", None) => {
            return Err(Refusal::parameter("tag", "missing vlan tag"));
        }
        ("simple", Some(_)) => {
            return Err(Refusal::parameter("tag", "vlan tag is not allowed on simple zone"));
        }
        _ => {}
    }
    let same = sdn.vnets.wanted.iter().find(|(other, options)| {
        *other != id
            && tag.is_some()
            && options.get("tag") == tag
            && options.get("zone").is_some_and(|other| other == zone)
    });
    match (same, tag) {
        (Some((other, _)), Some(tag)) => {
            let why = format!("tag {tag} already exist in vnet {other}");
            Err(Refusal::parameter("tag", why))
        }
        _ => Ok(()),
    }
}

fn create_vnet(call: &mut Call<'_>) -> Result<Value> {
    let failed = |refusal: Refusal| refusal.while_doing("create sdn vnet object");
    let id = call.given.text("vnet").to_owned();
    let mut options = options(call, None);
    options.insert("type".into(), "vnet".into());
    options.insert("zone".into(), call.given.text("zone").to_owned());
    new(call, Kind::Vnet, &id).map_err(failed)?;
    check_vnet(call, &id, &options).map_err(failed)?;
    Ok(put(call, Kind::Vnet, id, options))
}

fn update_vnet(call: &mut Call<'_>) -> Result<Value> {
    let failed = |refusal: Refusal| refusal.while_doing("update sdn vnet object");
    let id = call.given.text("vnet").to_owned();
    call.demand(&zone_path(call, Kind::Vnet, &id), &["SDN.Allocate"])?;
    let (id, mut options) = to_change(call, Kind::Vnet).map_err(failed)?;
    if let Some(zone) = call.given.get("zone") {
        options.insert("zone".into(), zone.to_owned());
    }
    check_vnet(call, &id, &options).map_err(failed)?;
    Ok(put(call, Kind::Vnet, id, options))
}

fn delete_vnet(call: &mut Call<'_>) -> Result<Value> {
    let failed = |refusal: Refusal| refusal.while_doing("delete sdn vnet object");
    let id = call.given.text("vnet").to_owned();
    call.demand(&zone_path(call, Kind::Vnet, &id), &["SDN.Allocate"])?;
    let mut subnets = call.world.sdn.subnets.wanted.values();
    if subnets.any(|subnet| subnet.get("vnet") == Some(&id)) {
        let why = Refusal::parameter("vnet", "Can't delete vnet if subnets exists");
        return Err(failed(why));
    }
    remove(call, Kind::Vnet).map_err(failed)
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn subnets(call: &mut Call<'_>) -> Result<Value> {
    let vnet = call.given.text("vnet");
    Ok(rows(call, Kind::Subnet, |subnet| subnet.get("vnet").is_some_and(|of| of == vnet)))
}

fn subnet(call: &mut Call<'_>) -> Result<Value> {
    one(call, Kind::Subnet)
}

fn check_gateway(options: &Options, cidr: &str) -> Result<()> {
    match options.get("gateway") {
        Some(gateway) if !lies_in(gateway, cidr) => {
            Err(Refusal::parameter("gateway", format!("{gateway} is not in subnet {cidr}")))
        }
        _ => Ok(()),
    }
}

fn create_subnet(call: &mut Call<'_>) -> Result<Value> {
    let failed = |refusal: Refusal| refusal.while_doing("create sdn subnet object");
    let (cidr, vnet) = (call.given.text("subnet").to_owned(), call.given.text("vnet").to_owned());
    let zone = call.world.sdn.zone_of(&vnet);
    let zone = zone.ok_or_else(|| failed(absent(&vnet)))?;
    let id = format!("{zone}-{}", cidr.replace('/', "-"));
    new(call, Kind::Subnet, &id).map_err(failed)?;
    let mut options = options(call, None);
    check_gateway(&options, &cidr).map_err(failed)?;
    options.extend([
        ("type".to_owned(), "subnet".to_owned()),
        ("vnet".to_owned(), vnet),
        ("zone".to_owned(), zone),
    ]);
    Ok(put(call, Kind::Subnet, id, options))
}

fn update_subnet(call: &mut Call<'_>) -> Result<Value> {
    let failed = |refusal: Refusal| refusal.while_doing("update sdn subnet object");
    let (id, options) = to_change(call, Kind::Subnet).map_err(failed)?;
    let cidr = id.split_once('-').map_or("", |(_, rest)| rest);
    let cidr = cidr.rsplit_once('-').map_or_else(String::new, |(ip, len)| format!("{ip}/{len}"));
    check_gateway(&options, &cidr).map_err(failed)?;
    Ok(put(call, Kind::Subnet, id, options))
}

fn delete_subnet(call: &mut Call<'_>) -> Result<Value> {
    remove(call, Kind::Subnet).map_err(|refusal| refusal.while_doing("delete sdn subnet object"))
}

/// Whether a node has what runs.
fn status(call: &Call<'_>) -> &'static str {
    if call.world.whole_host { "available" } else { "pending" }
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn on_node(call: &mut Call<'_>) -> Result<Value> {
    let zones = call.world.sdn.running_zones().into_iter();
    let seen = zones.filter(|zone| call.may_any(&format!("/sdn/zones/{zone}"), &RIGHTS));
    Ok(seen.map(|zone| json!({ "zone": zone, "status": status(call) })).collect())
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn content(call: &mut Call<'_>) -> Result<Value> {
    let zone = call.given.text("zone");
    let vnets = call.world.sdn.vnets.running.iter();
    let inside = vnets.filter(|(_, vnet)| vnet.get("zone").is_some_and(|of| of == zone));
    let rows = inside.map(|(id, _)| {
        let mut row = json!({ "vnet": id, "status": status(call) });
        if !call.world.whole_host {
            let why = "local sdn network configuration is not yet generated, please reload";
            row["statusmsg"] = why.into();
        }
        row
    });
    Ok(rows.collect())
}
