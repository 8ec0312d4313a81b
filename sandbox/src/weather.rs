//! Bad weather in front of a system.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::Value;
use tokio::time::sleep;

use crate::chance::Chance;
use crate::fault::{Fault, Mishap};
use crate::http::{Answer, Habits, Outcome, Request, Site};
use crate::system::System;

/// A system with faults in front of it. In fair weather it is the system itself.
pub struct Weather {
    system: Arc<dyn System>,
    sky: Mutex<Sky>,
}

struct Sky {
    faults: Vec<Fault>,
    chance: Chance,
    /// Until when nobody is there to answer.
    down: Option<Instant>,
    hits: u64,
    /// How often each call was made.
    calls: BTreeMap<String, u64>,
}

impl Weather {
    /// Fair weather; what chance decides later follows from `seed`.
    pub fn new(system: Arc<dyn System>, seed: u64) -> Self {
        let (faults, chance) = (Vec::new(), Chance::new(seed));
        let sky = Sky { faults, chance, down: None, hits: 0, calls: BTreeMap::new() };
        Weather { system, sky: Mutex::new(sky) }
    }

    /// The system behind it.
    pub fn system(&self) -> &dyn System {
        &*self.system
    }

    /// What can go wrong now.
    pub fn faults(&self) -> Vec<Fault> {
        self.sky().faults.clone()
    }

    /// Replaces what can go wrong.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.sky().faults = faults;
    }

    /// Lets one more thing go wrong.
    pub fn add_fault(&self, fault: Fault) {
        self.sky().faults.push(fault);
    }

    /// To how many requests something happened.
    pub fn hits(&self) -> u64 {
        self.sky().hits
    }

    /// How often each call was made, by method and path; numbers in a path are one call.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.sky().calls.clone()
    }

    /// Begins to count calls anew.
    pub fn forget_calls(&self) {
        self.sky().calls.clear();
    }

    /// Nobody is there to answer for so long, as while a daemon is started again.
    pub fn restart(&self, takes: Duration) {
        self.sky().down = Some(Instant::now() + takes);
    }

    fn sky(&self) -> MutexGuard<'_, Sky> {
        // What a call that panicked left behind is still plain data.
        self.sky.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happens to a request: the first fault that is about it and that chance has.
    fn strikes(&self, request: &Request) -> Option<Mishap> {
        let mut sky = self.sky();
        *sky.calls.entry(call(request)).or_default() += 1;
        if sky.down.is_some_and(|until| Instant::now() < until) {
            sky.hits += 1;
            return Some(Mishap::Refused);
        }
        let Sky { faults, chance, hits, down, .. } = &mut *sky;
        let mut concerned = faults.iter_mut().filter(|fault| fault.concerns(request));
        let fault = concerned.find(|fault| chance.comes(fault.chance))?;
        fault.times = fault.times.map(|times| times - 1);
        *hits += 1;
        if let Mishap::Restart(_) = fault.mishap {
            *down = Some(Instant::now() + fault.mishap.pause());
        }
        Some(fault.mishap)
    }
}

#[async_trait]
impl Site for Weather {
    async fn answer(&self, mut request: Request) -> Outcome {
        let Some(mishap) = self.strikes(&request) else {
            return self.system.answer(request).await;
        };
        match mishap {
            Mishap::Refused | Mishap::Restart(_) => Outcome::HungUp,
            Mishap::Lost => {
                self.system.answer(request).await;
                Outcome::HungUp
            }
            Mishap::Slow(_) => {
                let outcome = self.system.answer(request).await;
                sleep(mishap.pause()).await;
                outcome
            }
            Mishap::Late(_) => {
                let system = Arc::clone(&self.system);
                tokio::spawn(async move {
                    sleep(mishap.pause()).await;
                    system.answer(request).await
                });
                Outcome::HungUp
            }
            Mishap::Cut(bytes) => match self.system.answer(request).await {
                Outcome::Answered(answer) => Outcome::Cut(answer, bytes),
                Outcome::Streamed(answer, stream) => Outcome::Streamed(answer, stream.cut(bytes)),
                Outcome::Upgraded(answer, conversation) => {
                    Outcome::Upgraded(answer, conversation.cut(bytes))
                }
                other => other,
            },
            Mishap::Partial => {
                // What is compressed has no half.
                request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("Accept-Encoding"));
                match self.system.answer(request).await {
                    Outcome::Answered(answer) => Outcome::Answered(halved(answer)),
                    other => other,
                }
            }
            Mishap::Status(status) => {
                Outcome::Answered(Answer::new(status, "Out of order", "").closing())
            }
        }
    }

    fn in_clear(&self, request: &Request) -> Outcome {
        self.system.in_clear(request)
    }

    fn habits(&self) -> Habits {
        self.system.habits()
    }
}

/// A request as one of its sort: `GET /nodes/pve1/qemu/*/config`.
fn call(request: &Request) -> String {
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let part = |part: &str| if is_number(&part) { "*".to_owned() } else { part.to_owned() };
    let parts: Vec<String> = request.path.split('/').map(part).collect();
    format!("{} {}", request.method, parts.join("/"))
}

/// The answer without the second half of its list; an answer without one stays as it is.
fn halved(mut answer: Answer) -> Answer {
    let Ok(mut document) = serde_json::from_slice::<Value>(&answer.body) else { return answer };
    let list = match &mut document {
        Value::Array(list) => Some(list),
        Value::Object(fields) => ["data", "Volumes"]
            .into_iter()
            .find(|name| fields.contains_key(*name))
            .and_then(|name| fields.get_mut(name)?.as_array_mut()),
        _ => None,
    };
    let Some(list) = list else { return answer };
    list.truncate(list.len() / 2);
    answer.body = document.to_string().into_bytes();
    answer
}
