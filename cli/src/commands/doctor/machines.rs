//! What is behind each machine that exists already: whether it is the one that is meant, and we get in.

use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use lessor_engine::access::AccessError;
use lessor_plans::InstallationId;
use lessor_providers::{Around, Secrets};
use lessor_specs::Specs;

use super::{Check, Verdict};
use crate::output::counted;
use crate::progress::Progress;
use crate::session::base;

/// How many machines are asked at a time.
const AT_ONCE: usize = 16;

/// What to do about a machine that does not answer.
const UNSEEN: &str =
    "start it, correct the entry, or add `cordoned = true` so that nobody is given it";

/// Looks at every machine that an entry declares.
pub(super) async fn examine(dir: &Path, specs: &Specs, whose: &InstallationId) -> Vec<Check> {
    if specs.machine.is_empty() {
        return Vec::new();
    }
    let progress = Progress::new("looking at each machine");
    let secrets = Arc::new(Secrets::resolve(specs.secrets(), base(dir)));
    let around = Around::new(base(dir), whose, &secrets);
    let names = stream::iter(specs.machine.keys());
    let checks = names.map(|name| one(specs, &around, name)).buffered(AT_ONCE).collect::<Vec<_>>();
    let checks = checks.await;
    drop(progress);
    checks.into_iter().flatten().collect()
}

async fn one(specs: &Specs, around: &Around<'_>, name: &str) -> Option<Check> {
    let about = format!("machine.{name}");
    let keeper = match around.keeper(specs, name) {
        Ok(keeper) => keeper?,
        Err(error) => return Some(Check::fail(about, error.to_string())),
    };
    Some(match keeper.probe().await {
        Ok(probe) => {
            let there = match probe.seen.accounts.len() {
                0 => "nobody of ours is on it".to_owned(),
                count => format!("{} of ours are on it", counted(count, "account", "accounts")),
            };
            Check::ok(about, format!("it is the one that is meant, and lets us in; {there}"))
        }
        Err(error @ AccessError::Unreachable { .. }) => {
            Check::new(about, Verdict::Unseen, error.to_string()).hint(UNSEEN.to_owned())
        }
        Err(error) => {
            let hint = error.hint().map(str::to_owned);
            Check::fail(about, error.to_string()).hint(hint)
        }
    })
}
