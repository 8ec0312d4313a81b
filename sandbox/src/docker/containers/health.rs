//! Whether a container does its work.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::run::place;
use crate::docker::programs::{self, Program};
use crate::docker::state::{State, moment};
use crate::docker::wire::Healthcheck;

/// How many results are shown.
const KEPT: usize = 5;

/// What is found out by asking again and again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::docker) struct Health {
    pub(super) status: String,
    streak: i64,
    results: Vec<Probe>,
    /// When it is looked at next, if ever.
    next_ms: Option<u64>,
    started_ms: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Probe {
    start_ns: i64,
    end_ns: i64,
    code: i32,
    output: String,
}

impl Health {
    /// Of a container that was started just now.
    pub(super) fn new(check: Option<&Healthcheck>, now_ms: u64) -> Option<Health> {
        let check = check.filter(|check| {
            !matches!(check.test.first().map(String::as_str), None | Some("NONE"))
        })?;
        Some(Health {
            status: "starting".into(),
            streak: 0,
            results: Vec::new(),
            next_ms: Some(now_ms + interval_ms(check)),
            started_ms: now_ms,
        })
    }

    pub(super) fn due_ms(&self) -> Option<u64> {
        self.next_ms
    }

    /// What does not run is not healthy.
    pub(super) fn stop(&mut self) {
        self.next_ms = None;
        self.status = "unhealthy".into();
    }

    pub(super) fn json(&self) -> Value {
        let result = |probe: &Probe| {
            json!({
                "Start": moment(probe.start_ns),
                "End": moment(probe.end_ns),
                "ExitCode": probe.code,
                "Output": probe.output,
            })
        };
        json!({
            "Status": self.status,
            "FailingStreak": self.streak,
            "Log": self.results.iter().map(result).collect::<Vec<_>>(),
        })
    }
}

fn or_default(span_ns: i64, default_ms: u64) -> u64 {
    match u64::try_from(span_ns / 1_000_000) {
        Ok(ms) if ms > 0 => ms,
        _ => default_ms,
    }
}

fn interval_ms(check: &Healthcheck) -> u64 {
    or_default(check.interval, 30_000)
}

impl State {
    /// Looks whether a container is healthy.
    pub(super) fn probe(&mut self, id: &str, at_ms: u64) {
        let Some(container) = self.containers.get(id) else { return };
        let Some(check) = container.config.healthcheck.clone() else { return };
        let argv = match check.test.split_first() {
            Some((sort, words)) if sort == "CMD" => words.to_vec(),
            Some((sort, words)) if sort == "CMD-SHELL" => {
                vec!["/bin/sh".into(), "-c".into(), words.join(" ")]
            }
            _ => return,
        };
        let Some(mut place) = place(self, container) else { return };
        place.has_input = false;
        let timeout_ms = or_default(check.timeout, 30_000);
        let (code, output, took_ms) = match programs::start(&argv, place) {
            Err(failed) => {
                let output = format!("OCI runtime exec failed: exec failed: {}", failed.why);
                (-1, output, 0)
            }
            Ok(program) => ran(&program, timeout_ms),
        };
        let (start_ns, end_ns) = (self.ns_at(at_ms), self.ns_at(at_ms + took_ms));
        let Some(health) = self.containers.get_mut(id).and_then(|c| c.health.as_mut()) else {
            return;
        };
        health.results.push(Probe { start_ns, end_ns, code, output });
        let forgotten = health.results.len().saturating_sub(KEPT);
        health.results.drain(..forgotten);
        health.next_ms = Some(at_ms + took_ms + interval_ms(&check));
        let retries = if check.retries == 0 { 3 } else { check.retries };
        let begins = at_ms < health.started_ms + or_default(check.start_period, 0);
        let before = health.status.clone();
        if code == 0 {
            health.streak = 0;
            health.status = "healthy".into();
        } else if !(begins && health.status == "starting") {
            health.streak += 1;
            if health.streak >= retries {
                health.status = "unhealthy".into();
            }
        }
        let now = health.status.clone();
        self.changed();
        if now != before {
            self.tell_container(id, &format!("health_status: {now}"), &[]);
        }
    }
}

/// How a probe ended, what it said, and how long it took.
fn ran(program: &Program, timeout_ms: u64) -> (i32, String, u64) {
    match program.end() {
        Some((at_ms, code)) if at_ms <= timeout_ms => {
            let output = program.outputs.iter().map(|output| output.text.as_str()).collect();
            (code, output, at_ms)
        }
        _ => {
            let seconds = timeout_ms / 1_000;
            (-1, format!("Health check exceeded timeout ({seconds}s)"), timeout_ms)
        }
    }
}
