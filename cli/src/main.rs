//! The `lessor` command.
//!
//! Results go to stdout, everything else to stderr, and the exit code says how it ended (see
//! [`exit`]). In reading order: what can be said ([`args`]), what a directory says about itself
//! ([`config`]), what all commands need ([`session`]), a running server that is asked instead of a
//! database ([`remote`]), and one module a command.

mod administration;
mod args;
mod commands;
mod config;
mod declarations;
mod deferred;
mod events;
mod exit;
mod interrupt;
mod keeper;
mod lending;
mod logs;
mod orders;
mod output;
mod progress;
mod redirect;
mod remote;
mod renting;
mod report;
mod rows;
mod session;

use std::io::Write as _;
use std::mem;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use tokio::runtime::Builder;

use crate::args::{Args, Command};
use crate::exit::Exit;
use crate::output::Streams;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Nothing can be done about a closed stream here.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done,
                _ => Exit::Usage,
            }
            .into();
        }
    };
    logs::to_stderr(matches!(args.command, Command::Serve(_)));
    let streams = Streams::new(args.color);
    match run(args, &streams) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let text = output::error_text(&error, streams.stderr_color);
            let _ = writeln!(std::io::stderr(), "{text}");
            exit::of_error(&error).into()
        }
    }
}

fn run(args: Args, streams: &Streams) -> anyhow::Result<Exit> {
    let mut runtime = match &args.command {
        // Whoever calls waits for nobody else's call.
        Command::Serve(_) => Builder::new_multi_thread(),
        // What waits is many calls at once, and one thread waits for all of them. To hand each answer
        // to another would take longer than to read it.
        _ => Builder::new_current_thread(),
    };
    let runtime = runtime.enable_all().build()?;
    let exit = runtime.block_on(async {
        let common = &args.common;
        match args.command {
            Command::Init(args) => commands::init::run(&args, streams),
            Command::Validate(args) => commands::validate::run(&args, streams),
            Command::Adopt(args) => commands::adopt::run(common, &args, streams).await,
            Command::Plan(args) => commands::plan::run(common, &args, streams).await,
            Command::Apply(args) => commands::apply::run(common, &args, streams).await,
            Command::Drift(args) => commands::drift::run(common, &args, streams).await,
            Command::Show(args) => commands::show::run(common, &args, streams).await,
            Command::Graph(args) => commands::graph::run(common, &args, streams).await,
            Command::Render(args) => commands::render::run(common, &args).await,
            Command::Explain(args) => commands::explain::run(common, &args, streams).await,
            Command::Destroy(args) => commands::destroy::run(common, &args, streams).await,
            Command::Doctor(args) => commands::doctor::run(common, &args, streams).await,
            Command::Db(args) => commands::db::run(common, &args).await,
            Command::Serve(args) => commands::serve::run(common, &args).await,
            Command::User(command) => commands::people::user(common, &command).await,
            Command::Apikey(command) => commands::people::key(common, &command).await,
            Command::Tenant(command) => commands::people::tenant(common, &command).await,
            Command::Order(command) => commands::order::run(common, &command).await,
            Command::Pool(command) => commands::pool::run(common, &command).await,
            Command::Reserve(command) => commands::reserve::run(common, &command).await,
            Command::Ledger(command) => commands::ledger::run(common, &command).await,
            Command::Audit(command) => commands::audit::run(common, &command).await,
            Command::Jobs(command) => commands::jobs::run(common, &command).await,
            Command::Sandbox(args) => commands::sandbox::run(&args).await,
            Command::Try(args) => commands::trial::run(&args, streams).await,
            Command::Schema(args) => commands::schema::run(&args),
            Command::Completions(args) => commands::describe::completions(&args),
            Command::Man => commands::describe::man(),
        }
    });
    // A call that was dropped may still block a thread, and connections are open: the process ends here,
    // and they with it.
    mem::forget(runtime);
    exit
}
