//! By which key each machine is known.

use std::path::Path;

use futures_util::StreamExt as _;
use futures_util::stream;
use lessor_providers::{known_host_key, shown_host_key};
use lessor_specs::HostKey;

use super::list::{Listed, Problem};

/// How many machines are asked at a time.
const AT_ONCE: usize = 16;

/// The key of each machine, in their order; or those of which none can be had, and why.
pub(super) async fn of(
    machines: &[Listed],
    known_hosts: Option<&Path>,
) -> Result<Vec<HostKey>, Vec<Problem>> {
    let keys: Vec<_> = match known_hosts {
        Some(file) => machines.iter().map(|machine| known(machine, file)).collect(),
        None => stream::iter(machines).map(shown).buffered(AT_ONCE).collect().await,
    };
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for (machine, key) in machines.iter().zip(keys) {
        match key {
            Ok(key) => found.push(key),
            Err(text) => problems.push(Problem { line: machine.line, text }),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn known(machine: &Listed, file: &Path) -> Result<HostKey, String> {
    let Listed { host, port, .. } = machine;
    known_host_key(host, *port, file)?
        .ok_or_else(|| format!("`{}` has no key for `{host}:{port}`", file.display()))
}

async fn shown(machine: &Listed) -> Result<HostKey, String> {
    shown_host_key(&machine.host, machine.port).await
}
