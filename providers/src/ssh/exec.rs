//! Running a command on the machine.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::time::timeout;

use super::{Session, Ssh, SshError, is_lost};
use crate::command::{Command, End, Heard, quoted};

/// For how long one still listens once a command has ended: something it started may hold its output
/// open for ever.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// What else goes to where errors go.
const STDERR: u32 = 1;

type Channel = (ChannelReadHalf, ChannelWriteHalf<Msg>);

impl Ssh {
    /// Runs a command. The deadline is that of the command; to log in takes its own time.
    ///
    /// # Errors
    /// See [`SshError`]; then nothing was run.
    pub(crate) async fn exec(&self, command: &Command<'_>) -> Result<Heard, SshError> {
        let text = quoted(command.argv);
        let (session, channel) = match self.begin(&text).await? {
            // Lost since we last spoke, and nothing was said yet.
            (session, None) => {
                self.forget(&session).await;
                let (session, channel) = self.begin(&text).await?;
                let late = || SshError::unanswered(self.endpoint(), "it took too long");
                (session, channel.ok_or_else(late)?)
            }
            (session, Some(channel)) => (session, channel),
        };
        let mut heard = Heard::nothing();
        let ended = timeout(command.deadline, talk(channel, command.input, &mut heard)).await;
        heard.end = ended.unwrap_or(End::Late);
        if !matches!(heard.end, End::Exited(_)) {
            self.forget(&session).await;
        }
        Ok(heard)
    }

    /// Asks for a command to be run; no channel where the connection turns out to be dead. One that a
    /// firewall has forgotten does not say so.
    async fn begin(&self, text: &str) -> Result<(Arc<Session>, Option<Channel>), SshError> {
        let session = self.session().await?;
        match timeout(self.target.login_deadline, begin(&session, text)).await {
            Ok(Ok(channel)) => Ok((session, Some(channel))),
            Ok(Err(error)) if !is_lost(&error) => Err(SshError::lost(self.endpoint(), &error)),
            Ok(Err(_)) | Err(_) => Ok((session, None)),
        }
    }
}

async fn begin(session: &Session, text: &str) -> Result<Channel, russh::Error> {
    let channel = session.channel_open_session().await?;
    channel.exec(true, text).await?;
    Ok(channel.split())
}

/// Says what there is to say while listening: who does not read may still be heard.
async fn talk((mut reader, writer): Channel, input: &[u8], heard: &mut Heard) -> End {
    let say = pin!(async {
        // One that has ended does not read, which is no failure.
        let _ = writer.data(input).await;
        let _ = writer.eof().await;
    });
    let listen = pin!(listen(&mut reader, heard));
    match select(listen, say).await {
        Either::Left((end, _)) => end,
        Either::Right(((), listen)) => listen.await,
    }
}

async fn listen(reader: &mut ChannelReadHalf, heard: &mut Heard) -> End {
    let mut end = None;
    loop {
        let message = match &end {
            None => reader.wait().await,
            Some(_) => timeout(LAST_WORDS, reader.wait()).await.unwrap_or_default(),
        };
        match message {
            Some(ChannelMsg::Data { data }) => heard.out(&data),
            Some(ChannelMsg::ExtendedData { data, ext: STDERR }) => heard.err(&data),
            Some(ChannelMsg::ExitStatus { exit_status }) => {
                end = Some(End::Exited(exit_status.into()));
            }
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                end = Some(End::Lost(format!("it was ended by {signal_name:?}")));
            }
            Some(ChannelMsg::Failure) => return End::Lost("it runs no commands for us".into()),
            Some(ChannelMsg::Close) | None => {
                return end.unwrap_or_else(|| End::Lost("the connection was lost".into()));
            }
            Some(_) => {}
        }
    }
}
