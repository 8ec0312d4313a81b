//! `lessor serve`: the HTTP API, until it is asked to end.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use lessor_server::{
    Applying, Background, Estate, Lending, Listening, Reconciling, Schedule, Services, Settings,
    Tls, WebhookSettings, app,
};
use lessor_specs::Specs;
use lessor_store::Store;
use tracing::{info, warn};

use crate::administration::ServeArgs;
use crate::args::Common;
use crate::commands::apply::PARALLELISM;
use crate::config::{self, Config};
use crate::exit::{Exit, Failed};
use crate::interrupt;
use crate::output::{self, say, within};
use crate::redirect::redirect;
use crate::session::{base, configured_database};

pub(crate) async fn run(common: &Common, args: &ServeArgs) -> anyhow::Result<Exit> {
    let stop = interrupt::asked()?;
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => Some(Tls::of_files(certificate, key)?),
        _ => None,
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let is_exposed = tls.is_none() && !args.listen.ip().is_loopback();
    if is_exposed && args.trusted_proxies.is_empty() {
        return Err(plain_text_refused(args));
    }
    let store = Store::open_serving(&configured_database(&args.dir, common)?).await?;
    let estate = estate(common, &args.dir)?;
    let services = Services::looking_at(estate.clone(), store.clone(), settings(args)?)?;
    let listening = Listening::at(args.listen, tls)
        .await
        .with_context(|| format!("could not listen on {}", args.listen))?;
    let address = listening.address()?;
    let background = Background::start(&services).await;
    let ticking = Schedule::start(&services, estate.clone()).await?;
    if estate.is_none() {
        warn!("the directory has no configuration: orders are kept, and not carried out");
    }
    let reconciling = estate.clone().map(|estate| Reconciling::start(&services, estate));
    let applying = estate.clone().map(|estate| Applying::start(&services, estate));
    let lending = estate.map(|estate| Lending::start(&services, estate));
    info!(%address, "serving");
    // A program that started us reads where we are.
    output::print(&format!("{scheme}://{address}\n"))?;
    say("Ctrl-C ends it, once what was begun is finished");
    listening.serve(app(&services), stop).await;
    // At once: each waits for a while for the steps that it began.
    let orders = async {
        if let Some(reconciling) = reconciling {
            reconciling.finish().await;
        }
    };
    let plans = async {
        if let Some(applying) = applying {
            applying.finish().await;
        }
    };
    let machines = async {
        if let Some(lending) = lending {
            lending.finish().await;
        }
    };
    futures_util::future::join3(orders, plans, machines).await;
    ticking.finish().await?;
    drop(background);
    store.close().await;
    Ok(Exit::Done)
}

/// What the directory's configuration says, if there is one: its specs count as they were applied.
pub(super) fn estate(common: &Common, dir: &Path) -> anyhow::Result<Option<Estate>> {
    if !within(dir, config::FILE).exists() {
        return Ok(None);
    }
    let Config { installation, parallelism, endpoint, .. } = Config::read(dir)?;
    let said = common.endpoints.iter().map(|(name, endpoint)| (name.clone(), endpoint.clone()));
    let endpoints: Vec<_> = endpoint.into_iter().chain(said).collect();
    let redirect = move |specs: &mut Specs| {
        endpoints.iter().try_for_each(|(name, endpoint)| redirect(specs, name, endpoint))
    };
    Ok(Some(Estate {
        installation,
        dir: base(dir).to_owned(),
        parallelism: parallelism.unwrap_or(PARALLELISM).into(),
        redirect: Arc::new(redirect),
    }))
}

fn settings(args: &ServeArgs) -> anyhow::Result<Settings> {
    let is_configured = within(&args.dir, config::FILE).exists();
    let config = is_configured.then(|| Config::read(&args.dir)).transpose()?;
    Ok(Settings {
        compat: config.and_then(|config| config.compat).unwrap_or(true),
        trusted_proxies: args.trusted_proxies.clone(),
        cors_origins: args.cors_origins.clone(),
        calls_per_second: NonZeroU32::new(args.rate_limit),
        webhooks: WebhookSettings::allowing(args.webhook_networks.clone()),
        ..Settings::default()
    })
}

/// Passwords and keys would pass over the network for all to read.
fn plain_text_refused(args: &ServeArgs) -> anyhow::Error {
    let message = format!("{} can be reached by others, and there is no TLS", args.listen);
    let hint = "give `--tls-cert` and `--tls-key`, or listen on 127.0.0.1, or name the proxy that \
                speaks TLS for us with `--trusted-proxy`";
    Failed::new(message).exit(Exit::Usage).hint(hint).into()
}
