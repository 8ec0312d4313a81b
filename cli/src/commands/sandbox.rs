//! `lessor sandbox`: pretend systems to try things on.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::Context as _;
use lessor_sandbox::{Announcement, Options, Sandbox};
use serde_json::Value;

use crate::args::SandboxArgs;
use crate::exit::Exit;
use crate::interrupt;
use crate::output::{self, Format, say};

/// Any free port of this machine.
const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub(crate) async fn run(args: &SandboxArgs) -> anyhow::Result<Exit> {
    let stop = interrupt::asked()?;
    let all = args.docker.is_none() && args.proxmox.is_none() && args.pfsense.is_none();
    let or_anywhere = |address: Option<SocketAddr>| address.or_else(|| all.then_some(ANYWHERE));
    let sandbox = Sandbox::start(Options {
        docker: or_anywhere(args.docker),
        proxmox: or_anywhere(args.proxmox),
        pfsense: or_anywhere(args.pfsense),
        control: args.control,
        // Credentials follow from it.
        seed: rand::random(),
        states: args.seed.as_deref().map(states).transpose()?.unwrap_or_default(),
        faults: args.faults.clone(),
    })
    .await
    .context("the sandbox could not be started")?;
    output::print(&match args.format {
        Format::Human => human(sandbox.announcement()),
        Format::Json => serde_json::to_string(sandbox.announcement())? + "\n",
    })?;
    say("Ctrl-C ends it, and all that is in it");
    stop.await;
    Ok(Exit::Done)
}

fn states(path: &Path) -> anyhow::Result<BTreeMap<String, Value>> {
    let context = || format!("`{}` does not hold the states of systems", path.display());
    let text = std::fs::read_to_string(path).with_context(context)?;
    serde_json::from_str(&text).with_context(context)
}

fn human(announcement: &Announcement) -> String {
    let mut text = String::new();
    for (name, access) in &announcement.systems {
        let _ = writeln!(text, "{name:9} {}", access.endpoint);
        let password = access.password.as_deref();
        for (what, value) in [
            ("fingerprint", Some(access.fingerprint.as_str())),
            ("user", Some(access.user.as_str())),
            ("password", password),
            ("token", Some(access.token.as_str())),
        ] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                let _ = writeln!(text, "          {what:12} {value}");
            }
        }
    }
    let _ = writeln!(text, "control   {}", announcement.control);
    text
}
