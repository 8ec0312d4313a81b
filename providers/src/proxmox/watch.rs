//! One guest that runs: what it uses, and whether it is well. What it writes stays within it.

use async_trait::async_trait;
use lessor_engine::{Health, Usage, WatchError, Watched, Watcher};
use lessor_specs::kinds::Ready;

use super::Proxmox;
use super::client::{CallError, Client, GuestStatus};
use super::step;
use super::whose::{Seen, Whose};

#[async_trait]
impl Watcher for Proxmox {
    async fn usage(&self, thing: &Watched) -> Result<Usage, WatchError> {
        let (client, seen) = self.seen(thing).await?;
        let status = client.guest_status(&seen.guest).await.map_err(unanswered)?;
        Ok(read(&status.ok_or(WatchError::Absent)?))
    }

    /// A cluster does not look into its guests: one that runs is well.
    async fn probe(&self, thing: &Watched, _: Option<&Ready>) -> Result<Health, WatchError> {
        let (_, seen) = self.seen(thing).await?;
        Ok(if seen.running { Health::Well } else { Health::Ill("it does not run".into()) })
    }

    async fn restart(&self, thing: &Watched) -> Result<(), WatchError> {
        let (client, seen) = self.seen(thing).await?;
        step::restart(client, &seen).await.map_err(unanswered)
    }
}

impl Proxmox {
    /// The guest that is meant, on whatever node it is.
    async fn seen(&self, thing: &Watched) -> Result<(&Client, Box<Seen>), WatchError> {
        let client = self.client()?;
        let found = self.whose(client, &thing.name, None).await?;
        let id = &thing.name;
        match found {
            Whose::Ours(seen) if seen.mark.address == thing.address => Ok((client, seen)),
            Whose::Ours(seen) => {
                let address = &seen.mark.address;
                Err(WatchError::NotOurs(format!("guest `{id}` was made for `{address}`")))
            }
            Whose::Others(why) => {
                Err(WatchError::NotOurs(format!("guest `{id}` is not ours: {why}")))
            }
            Whose::Unmade(why) => Err(WatchError::Unanswered(why)),
            Whose::Nobodys(_) => Err(WatchError::Absent),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn unanswered(error: CallError) -> WatchError {
    WatchError::Unanswered(error.to_string())
}

fn read(status: &GuestStatus) -> Usage {
    if !status.is_running() {
        return Usage { memory_limit: status.memory_limit, ..Usage::default() };
    }
    Usage {
        running: true,
        busy: None,
        cpu: status.cpu_busy(),
        memory: status.memory,
        memory_limit: status.memory_limit,
        received: status.received,
        sent: status.sent,
        read: status.read,
        written: status.written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_tells_a_share_of_the_cores_of_a_guest_and_we_thousandths_of_one() {
        let status = r#"{"status":"running","cpu":0.125,"cpus":4,"mem":1024,"maxmem":"4096",
            "netin":7,"netout":5,"diskread":3,"diskwrite":2,"uptime":60}"#;
        let status: GuestStatus = serde_json::from_str(status).unwrap();
        let expected = Usage {
            running: true,
            busy: None,
            cpu: Some(500),
            memory: Some(1_024),
            memory_limit: Some(4_096),
            received: Some(7),
            sent: Some(5),
            read: Some(3),
            written: Some(2),
        };
        assert_eq!(read(&status), expected);
    }

    #[test]
    fn a_guest_that_stands_still_uses_nothing() {
        let status = r#"{"status":"stopped","cpu":0,"cpus":4,"mem":0,"maxmem":4096}"#;
        let status: GuestStatus = serde_json::from_str(status).unwrap();
        assert_eq!(read(&status), Usage { memory_limit: Some(4_096), ..Usage::default() });
    }
}
