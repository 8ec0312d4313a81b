//! Which call is which.

use super::call::Call;
use super::refusal::{Done, Refusal};
use super::system::RAW;
use super::{Docker, attach, containers, events, exec, images, networks, system, volumes};
use crate::http::{Answer, Outcome, Request};

/// Answers a request, with the headers that every answer has.
pub(super) async fn answer(docker: &Docker, request: &Request) -> Outcome {
    let outcome = match Call::new(request) {
        Ok(call) => route(docker, &call).await,
        Err(refusal) => Err(refusal),
    };
    let headed = |answer| system::headed(docker, answer);
    match outcome {
        Ok(Outcome::Answered(answer)) => Outcome::Answered(headed(answer)),
        Ok(Outcome::Streamed(answer, stream)) => Outcome::Streamed(headed(answer), stream),
        Ok(other) => other,
        Err(refusal) => Outcome::Answered(headed(refusal.answer())),
    }
}

async fn route(docker: &Docker, call: &Call) -> Done<Outcome> {
    let path: Vec<&str> = call.path.trim_start_matches('/').split('/').collect();
    match (call.method.as_str(), &path[..]) {
        (_, ["containers", ..]) => container(docker, call, &path).await,
        ("POST", ["exec", id, "start"]) => exec::start(docker, id, call),
        (method, ["exec", id, action]) => answered(docker.with(|state| match (method, *action) {
            ("POST", "resize") => exec::resize(state, id),
            ("GET", "json") => exec::inspect(state, id),
            _ => Err(unknown()),
        })),
        (_, ["images", ..]) => image(docker, call, &path),
        ("GET", ["events"]) => events::listen(docker, call),
        (_, ["networks", ..]) => answered(docker.with(|state| networks::route(state, call, &path))),
        (_, ["volumes", ..]) => answered(docker.with(|state| volumes::route(state, call, &path))),
        _ => answered(docker.with(|state| system::route(state, call, &path))),
    }
}

fn answered(done: Done<Answer>) -> Done<Outcome> {
    done.map(Outcome::Answered)
}

/// What is said of a path or a method that nobody knows.
pub(super) fn unknown() -> Refusal {
    Refusal::missing("page not found")
}

async fn container(docker: &Docker, call: &Call, path: &[&str]) -> Done<Outcome> {
    match (call.method.as_str(), path) {
        ("GET", [_, id, "logs"]) => attach::logs(docker, id, call),
        // The engine has named the sort of its answer before it looks who is meant.
        ("POST", [_, id, "attach"]) => attach::attach(docker, id, call).or_else(|refusal| {
            let mut answer = refusal.answer();
            answer.headers = vec![("Content-Type".into(), RAW.into())];
            Ok(Outcome::Answered(answer))
        }),
        ("GET", [_, id, "stats"]) => containers::stats::stats(docker, id, call).await,
        ("POST", [_, id, "wait"]) => containers::life::wait(docker, id, call),
        ("POST", [_, id, "stop"]) => answered(containers::life::stop(docker, id, call).await),
        ("POST", [_, id, "restart"]) => answered(containers::life::restart(docker, id, call).await),
        ("POST", [_, id, "kill"]) => answered(containers::life::kill(docker, id, call)),
        _ => answered(docker.with(|state| containers::route(state, call, path))),
    }
}

/// Names of images have slashes in them.
fn image(docker: &Docker, call: &Call, path: &[&str]) -> Done<Outcome> {
    let name = |end: usize| path[1..path.len() - end].join("/");
    match (call.method.as_str(), path) {
        ("GET", [_, "json"]) => answered(docker.with(|state| images::list(state, call))),
        ("POST", [_, "create"]) => docker.with(|state| images::pull::create(state, call)),
        ("GET", [_, .., "json"]) => answered(docker.with(|state| images::inspect(state, &name(1)))),
        ("GET", [_, .., "history"]) => {
            answered(docker.with(|state| images::history(state, &name(1))))
        }
        ("POST", [_, .., "tag"]) => {
            answered(docker.with(|state| images::tag(state, &name(1), call)))
        }
        ("DELETE", [_, _, ..]) => {
            answered(docker.with(|state| images::remove(state, &name(0), call)))
        }
        _ => Err(unknown()),
    }
}
