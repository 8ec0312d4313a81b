//! `lessor pool`: machines that are lent.

mod import;

use crate::exit::Exit;
use crate::lending::PoolCommand;

pub(crate) async fn run(command: &PoolCommand) -> anyhow::Result<Exit> {
    match command {
        PoolCommand::Import(args) => import::run(args).await,
    }
}
