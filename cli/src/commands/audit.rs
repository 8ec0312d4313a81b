//! `lessor audit`: what was done, and whether anybody changed what is remembered of it.

use lessor_server::shown::Event;
use lessor_store::Store;
use serde_json::{Value, json};

use crate::administration::{Anchor, AuditCommand};
use crate::args::Common;
use crate::exit::{Exit, Failed};
use crate::keeper::{Keeper, value};
use crate::output::{self, Format};
use crate::remote::{Call, Client};
use crate::rows::{Row, row, show, text};

/// Who keeps what was done. Every event is answered as the API shows it.
trait AuditLog {
    async fn events(&self, tenant: Option<&str>, limit: u32) -> anyhow::Result<Vec<Value>>;
}

impl AuditLog for Store {
    async fn events(&self, tenant: Option<&str>, limit: u32) -> anyhow::Result<Vec<Value>> {
        let events = self.audit_list(tenant, None, limit).await?;
        Ok(events.iter().map(|event| value(&Event::of(event))).collect())
    }
}

impl AuditLog for Client {
    async fn events(&self, tenant: Option<&str>, limit: u32) -> anyhow::Result<Vec<Value>> {
        self.list(|| Call::get("/v1/audit").asking("tenant", tenant), limit).await
    }
}

pub(crate) async fn run(common: &Common, command: &AuditCommand) -> anyhow::Result<Exit> {
    match command {
        AuditCommand::List { tenant, limit, place } => {
            let tenant = tenant.as_deref();
            let events = match place.keeper(common).await? {
                Keeper::Store(store) => store.events(tenant, *limit).await?,
                Keeper::Server(client) => client.events(tenant, *limit).await?,
            };
            show(place.format, events.into_iter().map(event_row))
        }
        AuditCommand::Verify { expect, place } => {
            let hint = "`lessor jobs run audit` has the server do it";
            let store = place.database(common, "`lessor audit verify`", hint).await?;
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

fn event_row(event: Value) -> Row {
    let fields = ["seq", "at", "actor", "action", "tenant", "target"];
    let [seq, at, actor, action, tenant, target] = fields.map(|field| text(&event, field));
    row([seq, at, actor, action, tenant, target, event["data"].to_string()], event)
}
