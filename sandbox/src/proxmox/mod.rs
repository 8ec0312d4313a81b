//! Proxmox VE 9: its web API, as `pveproxy` and `pvedaemon` speak it, over a pretend hypervisor.
//!
//! A request goes one way through the modules: `transport` takes it apart, `access` says who
//! asks and whether he may, `check` holds what he gives against the `tables`, and a module for
//! each theme answers, at once or in one of the `tasks`. All that is known lives in the
//! [`World`].

mod access;
mod backup;
mod call;
mod check;
mod cluster;
mod firewall;
mod formats;
mod guest;
mod lxc;
mod migrate;
mod network;
mod nodes;
mod pools;
mod property;
mod qemu;
mod refusal;
mod router;
mod sdn;
mod storage;
mod tables;
mod tasks;
mod transport;
mod world;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::http::{Answer, Habits, Outcome, Request, Site};
use crate::system::System;

pub use qemu::agent::{AgentCommand, AgentEnd};
pub use world::{Installation, Pace, World};

/// A cluster that answers.
#[derive(Debug)]
pub struct Proxmox {
    world: Mutex<World>,
}

impl Proxmox {
    /// Lets this cluster answer.
    pub fn new(world: World) -> Self {
        // Patterns of the interface take seconds on a busy machine, and clients wait for five.
        let _ = tables::tables();
        Proxmox { world: Mutex::new(world) }
    }

    /// All that is known, now.
    pub fn world(&self) -> World {
        self.lock().clone()
    }

    /// Makes it know this instead.
    pub fn replace(&self, world: World) {
        *self.lock() = world;
    }

    /// Makes a token of a user that may do what the user may, and tells its secret.
    pub fn add_token(&self, user: &str, id: &str) -> String {
        self.lock().add_token(user, id)
    }

    /// Starts an agent in a machine. It runs nothing by itself: somebody takes what it is given, runs it
    /// where the machine is pretended to be, and says how that ended.
    pub fn agent_start(&self, vmid: u32) {
        qemu::agent::start(&mut self.lock(), vmid);
    }

    /// The next command that the agent of a machine was given and nobody runs yet.
    pub fn agent_take(&self, vmid: u32) -> Option<AgentCommand> {
        qemu::agent::take(&mut self.lock(), vmid)
    }

    /// Says how a command of an agent ended.
    pub fn agent_end(&self, vmid: u32, pid: u64, end: AgentEnd) {
        qemu::agent::end(&mut self.lock(), vmid, pid, end);
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        // What a call that panicked left behind is still plain data.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Site for Proxmox {
    async fn answer(&self, request: Request) -> Outcome {
        let (outcome, refusal_ms) = {
            let mut world = self.lock();
            world.catch_up();
            (router::answer(&mut world, &request), world.pace.refusal_ms)
        };
        match outcome {
            Outcome::Answered(answer) => {
                if answer.status == 401 {
                    tokio::time::sleep(Duration::from_millis(refusal_ms)).await;
                }
                Outcome::Answered(transport::packed(answer, &request))
            }
            other => other,
        }
    }

    /// Who speaks in clear is sent to where TLS is spoken.
    fn in_clear(&self, request: &Request) -> Outcome {
        let (status, reason) = match request.method.as_str() {
            "GET" | "HEAD" => (301, "Moved Permanently"),
            _ => (308, "Permanent Redirect"),
        };
        let host = request.header("Host").unwrap_or("localhost:8006");
        let query = request.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let location = format!("https://{host}{}{query}", request.path);
        let answer = Answer::new(status, reason, "").header("Connection", "close");
        Outcome::Answered(answer.header("Location", location).closing())
    }

    fn habits(&self) -> Habits {
        Habits { idle: Duration::from_secs(5), answers_max: 100, ..Habits::default() }
    }
}

#[async_trait]
impl System for Proxmox {
    async fn dump(&self) -> serde_json::Value {
        // Plain data with text keys: this cannot fail.
        serde_json::to_value(&*self.lock()).unwrap_or_default()
    }

    async fn load(&self, state: serde_json::Value) -> Result<(), String> {
        let world = serde_json::from_value(state).map_err(|error| error.to_string())?;
        self.replace(world);
        Ok(())
    }

    async fn advance(&self, by: Duration) {
        let mut world = self.lock();
        world.clock.advance(by);
        world.catch_up();
    }
}
