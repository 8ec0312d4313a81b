//! `lessor audit`: what was done, and whether anybody changed what is remembered of it.

use lessor_store::{Audited, Store};
use serde_json::{Value, json};

use crate::administration::{Anchor, AuditCommand};
use crate::args::Common;
use crate::commands::people::{open, show};
use crate::exit::{Exit, Failed};
use crate::output::{self, Format};

pub(crate) async fn run(common: &Common, command: &AuditCommand) -> anyhow::Result<Exit> {
    match command {
        AuditCommand::List { tenant, limit, place } => {
            let store = open(common, place).await?;
            let events = store.audit_list(tenant.as_deref(), None, *limit).await?;
            show(place.format, events.iter().map(row))
        }
        AuditCommand::Verify { expect, place } => {
            let store = open(common, place).await?;
            verify(&store, expect.as_ref(), place.format).await
        }
    }
}

async fn verify(store: &Store, expect: Option<&Anchor>, format: Format) -> anyhow::Result<Exit> {
    let verdict = store.audit_verify().await?;
    if let Some(broken) = &verdict.broken {
        let message = format!("the audit log is broken at link {}: {}", broken.link, broken.why);
        let hint = "compare with a backup; links before that one are as they were";
        return Err(Failed::new(message).hint(hint).into());
    }
    if let Some(anchor) = expect {
        let found = store.audit_link(anchor.link).await?;
        if found.as_deref() != Some(anchor.hash.as_str()) {
            let message = format!("link {} of the audit log is not what was expected", anchor.link);
            let hint = "somebody wrote the log anew, or cut off its end; compare with a backup";
            return Err(Failed::new(message).hint(hint).into());
        }
    }
    output::print(&match format {
        Format::Human => format!(
            "{} sealed as they were, {} not sealed yet\nhead {}:{}\n",
            verdict.sealed, verdict.unsealed, verdict.sealed, verdict.head
        ),
        Format::Json => {
            let body = json!({
                "sealed": verdict.sealed,
                "unsealed": verdict.unsealed,
                "head": format!("{}:{}", verdict.sealed, verdict.head),
            });
            format!("{body}\n")
        }
    })?;
    Ok(Exit::Done)
}

fn row(event: &Audited) -> (Vec<String>, Value) {
    let tenant = event.tenant.as_deref().unwrap_or("");
    let (seq, at) = (event.seq.to_string(), event.at.to_string());
    let cells = [&seq, &at, &event.actor, &event.action, tenant, &event.target, &event.data];
    let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
    let seal = event.seal.as_ref();
    let value = json!({
        "seq": event.seq,
        "at": at,
        "actor": event.actor,
        "action": event.action,
        "tenant": event.tenant,
        "target": event.target,
        "data": data,
        "link": seal.map(|seal| seal.link),
        "hash": seal.map(|seal| &seal.hash),
    });
    (cells.map(ToString::to_string).to_vec(), value)
}
