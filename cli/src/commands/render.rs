//! `lessor render`: what customers ordered, as entries beside the spec files.

use crate::args::{Common, RenderArgs};
use crate::exit::{Exit, Failed};
use crate::orders;
use crate::output::{self, Files};
use crate::remote::Client;
use crate::session;

pub(crate) async fn run(common: &Common, args: &RenderArgs) -> anyhow::Result<Exit> {
    let text = match Client::open(&args.server)? {
        Some(server) => orders::text_of_server(&server).await?,
        None => of_store(common, args).await?,
    };
    match &args.output {
        Some(file) => {
            let mut files = Files::default();
            files.stage(file, &text)?;
            files.persist()?;
        }
        None => output::print(&text)?,
    }
    Ok(Exit::Done)
}

async fn of_store(common: &Common, args: &RenderArgs) -> anyhow::Result<String> {
    let Some(store) = session::remembered(&args.dir, common).await? else {
        let message = format!("`{}` has no database, and so no orders", args.dir.display());
        let hint = "name the one that keeps them, `--database URL`, or the server: `--server URL`";
        return Err(Failed::new(message).hint(hint).into());
    };
    let orders = orders::of_store(&store).await;
    store.close().await;
    Ok(orders?.to_toml())
}
