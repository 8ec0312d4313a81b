//! `lessor render`: what customers ordered, as entries beside the spec files.

use crate::args::{Common, RenderArgs};
use crate::exit::{Exit, Failed};
use crate::orders;
use crate::output::{self, Files};
use crate::session;

pub(crate) async fn run(common: &Common, args: &RenderArgs) -> anyhow::Result<Exit> {
    let Some(store) = session::remembered(&args.dir, common).await? else {
        let message = format!("`{}` has no database, and so no orders", args.dir.display());
        let hint = "name the one that keeps them: `--database URL`";
        return Err(Failed::new(message).hint(hint).into());
    };
    let orders = orders::of_store(&store).await;
    store.close().await;
    let text = orders?.to_toml();
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
