//! A firewall itself: what it is, and what of it does not work as we need it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use lessor_engine::{Examination, Lack};
use lessor_plans::Gap;

use super::{Inner, Unusable};
use crate::https::Method;
use crate::pfsense::client::{Client, Said};
use crate::pfsense::{CallError, Settings, Tunnel, Versions, VirtualIp};

/// The oldest package whose answers are known.
const PACKAGE_MIN: [u32; 3] = [2, 7, 1];

/// What entries say is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// Cards that VLANs shall be on: `igb1`.
    pub cards: BTreeSet<String>,
    /// Interfaces, by id: `wan`.
    pub interfaces: BTreeSet<String>,
    /// Whether there shall be tunnels.
    pub has_tunnels: bool,
}

/// What the firewall says of itself.
pub(super) async fn examine(inner: &Inner, declared: &Declared) -> Result<Examination, Gap> {
    let gap = |why: String, hint: Option<String>| Gap {
        place: inner.place.clone(),
        what: "the firewall".into(),
        why,
        hint,
    };
    let unusable = |Unusable { why, hint }: &Unusable| gap(why.clone(), hint.clone());
    let client = inner.writer.as_ref().map_err(unusable)?.client();
    let unseen = |error: CallError| gap(error.to_string(), error.hint());
    let before = Timestamp::now();
    let versions = client.versions().await.map_err(unseen)?;
    let after = Timestamp::now();
    let settings = client.settings().await.map_err(unseen)?;
    let mut lacks = Vec::new();
    lacks.extend(outdated(&versions));
    lacks.extend(restricted(&settings));
    lacks.extend(missing(client, declared).await.map_err(unseen)?);
    lacks.extend(privileges(client).await.map_err(unseen)?);
    if declared.has_tunnels {
        lacks.extend(wireguard(client, &settings).await.map_err(unseen)?);
    }
    let virtual_ips = client.virtual_ip_list().await;
    Ok(Examination {
        system: format!("pfSense {}, REST API {}", versions.system, versions.package),
        clock_ahead: versions.now.map(|theirs| clock_ahead(theirs, (before, after))),
        disk: None,
        facts: facts(&settings, &virtual_ips.unwrap_or_default()),
        lacks,
    })
}

/// The firewall told the time, in full seconds, somewhere between question and answer.
fn clock_ahead(theirs: Timestamp, (before, after): (Timestamp, Timestamp)) -> SignedDuration {
    let second = SignedDuration::from_secs(1);
    let earliest = before.checked_sub(second).unwrap_or(before);
    theirs.duration_since(theirs.clamp(earliest, after.max(earliest)))
}

fn outdated(versions: &Versions) -> Option<Lack> {
    let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>();
    let number = |part: &str| digits(part).parse::<u32>().unwrap_or_default();
    let found: Vec<u32> = versions.package.trim_start_matches('v').split('.').map(number).collect();
    (found.as_slice() < PACKAGE_MIN.as_slice()).then(|| Lack {
        what: format!("its REST API is version `{}`, and 2.7.1 is needed", versions.package),
        hint: Some("update the package under System > REST API > Update".into()),
    })
}

fn restricted(settings: &Settings) -> Option<Lack> {
    settings.read_only.then(|| Lack {
        what: "its REST API is in read-only mode, so nothing can be changed".into(),
        hint: Some("switch read-only mode off at the firewall under System > REST API".into()),
    })
}

/// Cards and interfaces that entries name and nobody has.
async fn missing(client: &Client, declared: &Declared) -> Result<Vec<Lack>, CallError> {
    let mut lacks = Vec::new();
    if !declared.cards.is_empty() {
        let ports = client.port_list().await?;
        let is_there = |card: &&String| ports.iter().any(|port| port.name == **card);
        lacks.extend(declared.cards.iter().filter(|card| !is_there(card)).map(|card| {
            let has: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
            Lack {
                what: format!("it has no card `{card}`"),
                hint: Some(format!("it has {}: correct `parent` of the entry", has.join(", "))),
            }
        }));
    }
    if !declared.interfaces.is_empty() {
        let interfaces = client.interface_list().await?;
        let has: Vec<&str> = interfaces.iter().map(|one| one.id.as_str()).collect();
        let open = declared.interfaces.iter().filter(|id| !has.contains(&id.as_str()));
        lacks.extend(open.map(|id| Lack {
            what: format!("it has no interface `{id}`"),
            hint: Some(format!("it has {}: correct `interface` of the entry", has.join(", "))),
        }));
    }
    Ok(lacks)
}

async fn privileges(client: &Client) -> Result<Option<Lack>, CallError> {
    let missing = client.privileges_missing().await?;
    Ok((!missing.is_empty()).then(|| Lack {
        what: format!("our user lacks {} privileges there", missing.len()),
        hint: Some(format!("give it, under System > User Manager: {}", missing.join(", "))),
    }))
}

/// Whether tunnels can be made, found out by asking for one that nobody would make.
async fn wireguard(client: &Client, settings: &Settings) -> Result<Option<Lack>, CallError> {
    use crate::pfsense::Object as _;
    if settings.read_only {
        return Ok(None);
    }
    match client.ask(Method::POST, Tunnel::ONE, Said::Body(serde_json::Map::new())).await {
        Err(error @ CallError::NoPackage { .. }) => {
            let what = "WireGuard is not installed, and a `vpn` needs it".into();
            return Ok(Some(Lack { what, hint: error.hint() }));
        }
        // That a key is missing, or a privilege, is for others to say.
        Ok(_) | Err(CallError::Invalid { .. } | CallError::Denied { .. }) => {}
        Err(error) => return Err(error),
    }
    let works = client.wireguard().await?.enable;
    Ok((!works).then(|| Lack {
        what: "WireGuard is switched off, so no `vpn` works".into(),
        hint: Some("switch it on at the firewall under VPN > WireGuard > Settings".into()),
    }))
}

fn facts(settings: &Settings, virtual_ips: &[VirtualIp]) -> Vec<String> {
    let methods = settings.auth_methods.join(", ");
    let known = (!methods.is_empty()).then(|| format!("it knows callers by {methods}"));
    let has_carp = virtual_ips.iter().any(|ip| ip.mode == "carp");
    let pair = has_carp.then(|| {
        "it shares addresses with another firewall (CARP): `endpoint` has to be the primary, which \
         hands on what is written"
            .to_owned()
    });
    known.into_iter().chain(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_before_2_7_1_is_too_old() {
        let lack = |package: &str| {
            let (system, package) = ("2.8.1-RELEASE".to_owned(), package.to_owned());
            outdated(&Versions { system, package, now: None }).is_some()
        };
        assert_eq!(["2.7.0", "v2.6.9", "2.7", "1.10.4"].map(lack), [true; 4]);
        assert_eq!(["2.7.1", "v2.7.2", "2.10.0", "3.0"].map(lack), [false; 4]);
    }

    #[test]
    fn a_clock_is_off_by_what_neither_delay_nor_rounding_explains() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        let ahead = |theirs: i64| clock_ahead(at(theirs), (at(10), at(12)));
        assert_eq!([9, 10, 12].map(ahead), [SignedDuration::ZERO; 3]);
        assert_eq!(ahead(42), SignedDuration::from_secs(30));
        assert_eq!(ahead(4), SignedDuration::from_secs(-5));
    }
}
