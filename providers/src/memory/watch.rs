//! One pretend container: what somebody let it say, that it uses nothing, and what ails it.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use lessor_engine::{
    Health, Lines, LogLine, LogReader, LogsAsked, Usage, WatchError, Watched, Watcher,
};
use lessor_plans::{Body, ContainerBody};
use lessor_specs::ByteSize;
use lessor_specs::kinds::Ready;

use super::host::{Host, Said, Thing};
use super::{Memory, Owner};

/// How often somebody who reads along looks for more.
const EVERY: Duration = Duration::from_millis(200);

#[async_trait]
impl Watcher for Memory {
    async fn usage(&self, thing: &Watched) -> Result<Usage, WatchError> {
        self.look(thing, |_, body| Usage {
            running: body.running,
            busy: Some(Duration::ZERO),
            cpu: Some(0),
            memory: Some(0),
            memory_limit: body.memory.map(ByteSize::bytes),
            ..Usage::default()
        })
        .await
    }

    async fn probe(&self, thing: &Watched, _: Option<&Ready>) -> Result<Health, WatchError> {
        self.look(thing, |thing, body| match thing.ill() {
            Some(why) => Health::Ill(why.to_owned()),
            None if !body.running => Health::Ill("it does not run".into()),
            None => Health::Well,
        })
        .await
    }

    async fn restart(&self, thing: &Watched) -> Result<(), WatchError> {
        self.look(thing, |_, _| ()).await?;
        let (owner, thing) = (self.owner.clone(), thing.clone());
        Ok(self.keep.change(move |host| Ok(owner.restart(host, &thing))).await?)
    }
}

#[async_trait]
impl LogReader for Memory {
    async fn logs(&self, thing: &Watched, asked: &LogsAsked) -> Result<Lines, WatchError> {
        let all = self.look(thing, |thing, _| thing.said().to_vec()).await?;
        let seen = all.len();
        let tail = usize::try_from(asked.tail).unwrap_or(usize::MAX);
        let is_wanted = |said: &Said| asked.since.is_none_or(|since| said.at >= since);
        let last = all.into_iter().skip(seen.saturating_sub(tail)).filter(is_wanted);
        let last: Vec<_> = last.map(|said| Ok(line(&said))).collect();
        if !asked.follow {
            return Ok(Box::pin(stream::iter(last)));
        }
        let more = stream::unfold((self.clone(), thing.clone(), seen), more).flat_map(stream::iter);
        Ok(Box::pin(stream::iter(last).chain(more)))
    }
}

type Reading = (Memory, Watched, usize);

/// Waits until there are more lines.
async fn more(
    (memory, thing, seen): Reading,
) -> Option<(Vec<Result<LogLine, WatchError>>, Reading)> {
    loop {
        tokio::time::sleep(EVERY).await;
        // One that is gone has nothing more to say.
        let all = memory.look(&thing, |thing, _| thing.said().to_vec()).await.ok()?;
        if all.len() > seen {
            let lines = all[seen..].iter().map(|said| Ok(line(said))).collect();
            return Some((lines, (memory, thing, all.len())));
        }
    }
}

fn line(said: &Said) -> LogLine {
    LogLine::new(Some(said.at), said.error, &said.text)
}

impl Memory {
    /// Looks at a container of ours.
    async fn look<T>(
        &self,
        meant: &Watched,
        look: impl FnOnce(&Thing, &ContainerBody) -> T,
    ) -> Result<T, WatchError> {
        let looked = self.keep.read(|host| {
            let thing = self.owner.container(host, meant)?;
            let Body::Container(body) = &thing.body else { return Err(WatchError::Absent) };
            Ok(look(thing, body))
        });
        looked.await.map_err(WatchError::Unanswered)?
    }
}

impl Owner {
    /// A container of ours.
    pub(super) fn container<'h>(
        &self,
        host: &'h Host,
        meant: &Watched,
    ) -> Result<&'h Thing, WatchError> {
        let thing = host.find("container", &meant.name).ok_or(WatchError::Absent)?;
        match self.mark(thing) {
            Ok(mark) if mark.address == meant.address => Ok(thing),
            _ => Err(WatchError::NotOurs(format!("{} is not ours", thing.in_words()))),
        }
    }

    /// Whether there was something to restart.
    fn restart(&self, host: &mut Host, meant: &Watched) -> bool {
        let is_ours = self.container(host, meant).is_ok();
        is_ours && host.restart(&meant.name)
    }
}
