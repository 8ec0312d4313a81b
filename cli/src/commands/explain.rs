//! `lessor explain`: why a thing is as it is.

mod gather;

use crate::args::{Common, ExplainArgs, Subject};
use crate::commands::explain_code;
use crate::exit::{self, Exit, Failed};
use crate::output::{self, Format, Streams};
use crate::session::{Asked, Session};

pub(crate) async fn run(
    common: &Common,
    args: &ExplainArgs,
    streams: &Streams,
) -> anyhow::Result<Exit> {
    let address = match &args.subject {
        Subject::Thing(address) => address,
        Subject::Code(number) => return explain_code::one(*number),
        Subject::Codes => return explain_code::all(),
    };
    let session = Session::open(&args.dir, common, streams)?;
    let looked = session.look_with_orders(&args.ordered, Asked::default());
    let (session, looked) = looked.await?;

    let Some(explanation) = gather::explanation(&session, &looked, address).await? else {
        let message = format!("`{address}` is neither declared nor there");
        return Err(Failed::new(message).hint("`lessor show` lists what is there").into());
    };
    output::print(&match args.format {
        Format::Human => explanation.human(streams.stdout_color),
        Format::Json => explanation.json(),
    })?;
    Ok(exit::of_look(&looked.plan, false))
}
