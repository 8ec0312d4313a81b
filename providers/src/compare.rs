//! How to come from what is there to what is desired.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use lessor_plans::{Body, ContainerBody, Present, Transition};
use lessor_specs::EnvValue;
use secrecy::ExposeSecret;
use serde_json::Value;

use crate::Secrets;

/// What Docker can change on a container that exists.
const IN_PLACE: [&str; 5] = ["cpu", "memory", "pids", "restart", "running"];

/// What Docker can change but not take away: an update to 0 leaves the limit as it was, and below
/// 0 is refused (found on Engine 20.10). Without a limit, the container has to be made again.
const STAYS_LIMITED: [&str; 2] = ["cpu", "memory"];

/// Holds a wish against what is there. Nothing but a container can be changed where it stands.
///
/// What the thing has from its image or from the engine's choice counts only where it was asked
/// for. A secret is compared by fingerprint; one whose value cannot be had counts as equal.
pub(crate) fn compare(desired: &Body, present: &Present, secrets: &Secrets) -> Transition {
    if *desired == present.body {
        return Transition::None;
    }
    let desired = expressible(desired);
    let mut seen = present.beside(Some(&desired));
    if let (Some(seen), Body::Container(wanted)) = (seen.container_mut(), &*desired) {
        settle_env(seen, wanted, present, secrets);
    }
    if *desired == seen {
        return Transition::None;
    }
    let (before, after) = (seen.attributes(), desired.attributes());
    let differing = differing(&before, &after);
    let in_place = |path: &String| {
        let removed = !after.contains_key(path);
        IN_PLACE.contains(&path.as_str()) && !(removed && STAYS_LIMITED.contains(&path.as_str()))
    };
    if differing.is_empty() {
        Transition::None
    } else if matches!(*desired, Body::Container(_)) && differing.iter().all(in_place) {
        Transition::InPlace(differing.into_iter().collect())
    } else {
        Transition::Replace(differing.into_iter().collect())
    }
}

/// The wish as far as an engine can tell it: to Docker, an empty command is none.
fn expressible(desired: &Body) -> Cow<'_, Body> {
    match desired {
        Body::Container(body) if body.command.as_ref().is_some_and(Vec::is_empty) => {
            Cow::Owned(Body::Container(ContainerBody { command: None, ..(**body).clone() }.into()))
        }
        other => Cow::Borrowed(other),
    }
}

/// Makes every variable equal to the wish whose hidden value is the wished one.
fn settle_env(
    seen: &mut ContainerBody,
    wanted: &ContainerBody,
    present: &Present,
    secrets: &Secrets,
) {
    for (name, value) in &mut seen.env {
        if let Some(wanted) = wanted.env.get(name)
            && has_value(present, name, wanted, secrets)
        {
            *value = wanted.clone();
        }
    }
}

fn has_value(present: &Present, name: &str, wanted: &EnvValue, secrets: &Secrets) -> bool {
    let wanted = match wanted {
        EnvValue::Plain(text) => text.as_str(),
        EnvValue::Secret(reference) => match secrets.get(reference) {
            Ok(value) => value.expose_secret(),
            Err(_) => return true,
        },
    };
    match present.secrets.get(name) {
        Some(fingerprint) => *fingerprint == Secrets::fingerprint(wanted),
        None => plain_value(&present.body, name) == Some(wanted),
    }
}

fn plain_value<'a>(body: &'a Body, name: &str) -> Option<&'a str> {
    match body {
        Body::Container(body) => match body.env.get(name) {
            Some(EnvValue::Plain(text)) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn differing(
    before: &BTreeMap<String, Value>,
    after: &BTreeMap<String, Value>,
) -> BTreeSet<String> {
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differs = |path: &&String| match (before.get(*path), after.get(*path)) {
        // To ask for an empty list is to ask for nothing, and nothing is there.
        (None, Some(Value::Array(items))) => !items.is_empty(),
        (before, after) => before != after,
    };
    paths.into_iter().filter(differs).cloned().collect()
}

#[cfg(test)]
mod tests {
    use lessor_plans::{NetworkBody, Origin};
    use lessor_specs::kinds::Restart;
    use lessor_specs::{Address, ByteSize, Cpu, Kind, SecretRef};

    use super::*;

    fn container() -> ContainerBody {
        ContainerBody {
            name: "web".into(),
            image: "nginx:1.27".into(),
            entrypoint: None,
            command: None,
            user: None,
            env: BTreeMap::new(),
            labels: BTreeMap::new(),
            networks: BTreeSet::new(),
            mounts: BTreeMap::new(),
            ports: BTreeSet::new(),
            cpu: Some(Cpu::from_millis(500)),
            memory: Some(ByteSize::from_bytes(64 << 20)),
            pids: None,
            restart: Restart::No,
            no_new_privileges: true,
            healthcheck: None,
            logging: None,
            running: true,
        }
    }

    fn present(body: Body) -> Present {
        Present {
            birth: Address::new(Kind::Container, "web"),
            origin: Origin::File,
            adopted: None,
            body,
            inherited: BTreeSet::new(),
            secrets: BTreeMap::new(),
        }
    }

    fn compared(change: impl FnOnce(&mut ContainerBody)) -> Transition {
        let mut wanted = container();
        change(&mut wanted);
        let present = present(Body::Container(container().into()));
        compare(&Body::Container(wanted.into()), &present, &Secrets::default())
    }

    #[test]
    fn limits_restart_and_running_change_in_place_and_all_else_replaces() {
        let in_place = |path: &str| Transition::InPlace(vec![path.into()]);
        let replace = |path: &str| Transition::Replace(vec![path.into()]);

        assert_eq!(compared(|_| ()), Transition::None);
        assert_eq!(compared(|c| c.cpu = Some(Cpu::from_millis(700))), in_place("cpu"));
        assert_eq!(
            compared(|c| c.memory = Some(ByteSize::from_bytes(1 << 30))),
            in_place("memory")
        );
        assert_eq!(compared(|c| c.pids = Some(10)), in_place("pids"));
        assert_eq!(compared(|c| c.restart = Restart::Always), in_place("restart"));
        assert_eq!(compared(|c| c.running = false), in_place("running"));
        assert_eq!(compared(|c| c.image = "nginx:1.28".into()), replace("image"));
        assert_eq!(compared(|c| c.cpu = None), replace("cpu"));
        assert_eq!(compared(|c| c.memory = None), replace("memory"));
        let both = compared(|c| {
            c.running = false;
            c.user = Some("app".into());
        });
        assert_eq!(both, Transition::Replace(vec!["running".into(), "user".into()]));
    }

    #[test]
    fn what_the_image_brought_along_counts_only_when_it_was_asked_for() {
        let mut body = container();
        body.env.insert("FROM_IMAGE".into(), EnvValue::Plain("yes".into()));
        let mut present = present(Body::Container(body.into()));
        present.inherited.insert("env.FROM_IMAGE".into());
        let mut wanted = container();
        let compared = |wanted: &ContainerBody| {
            compare(&Body::Container(wanted.clone().into()), &present, &Secrets::default())
        };

        assert_eq!(compared(&wanted), Transition::None);
        wanted.env.insert("FROM_IMAGE".into(), EnvValue::Plain("no".into()));
        assert_eq!(compared(&wanted), Transition::Replace(vec!["env.FROM_IMAGE".into()]));
    }

    #[test]
    fn a_secret_is_compared_by_its_value_and_counts_as_equal_without_one() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("token"), "s3cret\n").unwrap();
        let reference = SecretRef::File("token".into());
        let secrets = Secrets::resolve([&reference], directory.path());
        let mut wanted = container();
        wanted.env.insert("TOKEN".into(), EnvValue::Secret(reference));
        let wanted = Body::Container(wanted.into());
        let mut body = container();
        body.env.insert("TOKEN".into(), Present::hidden());
        let mut present = present(Body::Container(body.into()));

        present.secrets.insert("TOKEN".into(), Secrets::fingerprint("s3cret"));
        assert_eq!(compare(&wanted, &present, &secrets), Transition::None);
        present.secrets.insert("TOKEN".into(), Secrets::fingerprint("old"));
        let changed = Transition::Replace(vec!["env.TOKEN".into()]);
        assert_eq!(compare(&wanted, &present, &secrets), changed);
        assert_eq!(compare(&wanted, &present, &Secrets::default()), Transition::None);
    }

    #[test]
    fn a_subnet_of_the_engines_choice_is_as_good_as_any_until_one_is_asked_for() {
        let network = |subnet: Option<&str>| {
            let subnet = subnet.map(|text| text.parse().unwrap());
            let labels = BTreeMap::new();
            Body::Network(NetworkBody { name: "front".into(), subnet, internal: false, labels })
        };
        let mut present = present(network(Some("172.18.0.0/16")));
        present.inherited.insert("subnet".into());
        let compare = |wanted| compare(&wanted, &present, &Secrets::default());

        assert_eq!(compare(network(None)), Transition::None);
        let other = compare(network(Some("10.1.0.0/24")));
        assert_eq!(other, Transition::Replace(vec!["subnet".into()]));
    }
}
