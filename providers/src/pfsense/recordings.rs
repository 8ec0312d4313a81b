//! The client against what the real package answered: every recorded answer has to be understood.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use lessor_sandbox::http::{self, Identity, Outcome, Server, Site};
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::client::Said;
use super::object::object_of;
use super::*;
use crate::https::{Https, Method, Trust};

/// Whoever asks gets what was recorded.
#[derive(Default)]
struct Recorded(Mutex<Value>);

#[async_trait]
impl Site for Recorded {
    async fn answer(&self, _: http::Request) -> Outcome {
        let response = self.0.lock().unwrap().clone();
        let status = response["status"].as_u64().unwrap();
        let body = match &response["body"] {
            Value::String(page) => page.clone(),
            // The package escapes slashes and ends with a line.
            body => body.to_string().replace('/', "\\/").replace("\"<now>\"", "1767225600") + "\n",
        };
        let answer = http::Answer::new(u16::try_from(status).unwrap(), "", body);
        let headers = response["headers"].as_object().unwrap().iter();
        Outcome::Answered(
            headers
                .fold(answer, |answer, (name, value)| answer.header(name, value.as_str().unwrap())),
        )
    }
}

/// Asks what was asked, and says what was understood: `ok` where objects were, and what they are.
async fn understood(client: &Client, exchange: &Value) -> String {
    let request = &exchange["request"];
    let path = request["path"].as_str().unwrap();
    let path = path.strip_prefix("/api/v2").unwrap().split('?').next().unwrap();
    let method = Method::from_bytes(request["method"].as_str().unwrap().as_bytes()).unwrap();
    let said = if matches!(method, Method::GET | Method::DELETE) {
        Said::Query(Vec::new())
    } else {
        Said::Body(Map::new())
    };
    let shown = match client.ask(method.clone(), path, said).await {
        Ok(shown) => shown.data,
        Err(error) => {
            let shown = format!("{error:?}");
            return shown.split([' ', '(', '{']).next().unwrap().to_owned();
        }
    };
    match path {
        "/interface/vlan" | "/interface/vlans" => objects::<Vlan>(&shown),
        "/interface" | "/interfaces" => objects::<Interface>(&shown),
        "/firewall/alias" | "/firewall/aliases" => objects::<Alias>(&shown),
        "/firewall/rule" | "/firewall/rules" => objects::<Rule>(&shown),
        "/firewall/nat/port_forward" | "/firewall/nat/port_forwards" => {
            objects::<PortForward>(&shown)
        }
        "/firewall/nat/outbound/mapping" => objects::<OutboundMapping>(&shown),
        "/firewall/virtual_ip" => objects::<VirtualIp>(&shown),
        "/services/dhcp_server" | "/services/dhcp_servers" => objects::<DhcpServer>(&shown),
        "/services/dhcp_server/static_mapping" | "/services/dhcp_server/static_mappings" => {
            objects::<StaticMapping>(&shown)
        }
        "/vpn/wireguard/tunnel" | "/vpn/wireguard/tunnels" => objects::<Tunnel>(&shown),
        "/vpn/wireguard/peer" | "/vpn/wireguard/peers" => objects::<Peer>(&shown),
        "/firewall/nat/outbound/mode" => one(client.outbound_mode().await),
        "/system/restapi/settings" => one(client.settings().await),
        "/system/version" => one(client.versions().await),
        "/interface/available_interfaces" => one(client.port_list().await),
        "/diagnostics/config_history/revisions" => one(client.revision_latest().await),
        "/firewall/apply" => one(client.is_applied(Subsystem::Firewall).await),
        "/firewall/virtual_ip/apply" => one(client.is_applied(Subsystem::VirtualIps).await),
        "/interface/apply" => one(client.is_applied(Subsystem::Interfaces).await),
        "/services/dhcp_server/apply" => one(client.is_applied(Subsystem::Dhcp).await),
        "/vpn/wireguard/apply" => one(client.is_applied(Subsystem::WireGuard).await),
        // What this client never asks for.
        _ => "ok, of no type".into(),
    }
}

fn one<T>(read: Result<T, CallError>) -> String {
    read.map_or_else(|error| format!("not read: {error}"), |_| "ok".into())
}

/// One object or several.
fn objects<T: Object>(shown: &Value) -> String {
    let several = shown.as_array().cloned().unwrap_or_else(|| vec![shown.clone()]);
    for object in several {
        if let Err(error) = object_of::<T>(object) {
            return format!("not read: {error}");
        }
    }
    "ok".into()
}

async fn replay(recordings: &str) -> BTreeMap<String, usize> {
    let identity = Identity::new(&["localhost"]).unwrap();
    let site = Arc::new(Recorded::default());
    let address = "127.0.0.1:0".parse().unwrap();
    let server = Server::listen(address, Some(&identity), site.clone()).await.unwrap();
    let trust = Trust::Pinned(identity.fingerprint().parse().unwrap());
    let https = Https::new(&format!("https://{}", server.address()), &trust).unwrap();
    let mut counts = BTreeMap::new();
    for line in recordings.lines() {
        let exchange: Value = serde_json::from_str(line).unwrap();
        *site.0.lock().unwrap() = exchange["response"].clone();
        // One that was denied says nothing more, so each exchange has its own.
        let key = Credentials::Key(SecretString::from("key".to_owned()));
        let client = Client::new(https.clone(), key);
        let what = understood(&client, &exchange).await;
        let place = format!("{} {}: {}", exchange["scenario"], exchange["step"], exchange["note"]);
        assert!(!what.starts_with("not read") && what != "Garbled", "{place}: {what}");
        *counts.entry(what).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn every_answer_of_the_real_package_is_understood() {
    let old = include_str!("../../../sandbox/tests/recordings/pfsense/wire-2.7.1.jsonl");
    let new = include_str!("../../../sandbox/tests/recordings/pfsense/wire-2.10.0.jsonl");

    let (old, new) = (replay(old).await, replay(new).await);

    assert_eq!(old, new, "both versions mean the same");
    insta::assert_debug_snapshot!(old, @r#"
    {
        "Dangling": 1,
        "Denied": 5,
        "Invalid": 45,
        "Missing": 2,
        "NoPackage": 1,
        "ReadOnly": 2,
        "Referenced": 1,
        "ok": 74,
        "ok, of no type": 9,
    }
    "#);
}
