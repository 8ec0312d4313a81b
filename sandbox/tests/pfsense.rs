//! What a client of pfSense has to live with, beyond what the recordings show.

#![expect(clippy::panic, clippy::unwrap_used, reason = "what helps a test may do what a test may")]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lessor_sandbox::Clock;
use lessor_sandbox::System as _;
use lessor_sandbox::http::{Answer, Outcome, Request, Site as _};
use lessor_sandbox::pfsense::{PfSense, State, Version};
use serde_json::{Value, json};

const KEY: &str = "0123456789abcdef";

/// 2026-01-01T00:00:00Z.
const START_MS: u64 = 1_767_225_600_000;

struct Firewall(PfSense);

impl Firewall {
    fn new(version: Version) -> Firewall {
        let mut state = State::new(version, 7);
        state.clock = Clock::stopped(START_MS);
        state.write_ms = 0;
        state.add_key("admin", KEY);
        Firewall(PfSense::new(state))
    }

    async fn answer(&self, mut request: Request) -> Answer {
        if request.header("Authorization").is_none() {
            request.headers.push(("X-API-Key".into(), KEY.into()));
        }
        match self.0.answer(request).await {
            Outcome::Answered(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    /// The status and the body of an answer to `method path?query`, with what JSON says.
    async fn said(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let answer = self.answer(request(method, path, &body)).await;
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    /// What a granted request shows.
    async fn ask(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, mut body) = self.said(method, path, body).await;
        assert_eq!(status, 200, "{method} {path}: {body}");
        body["data"].take()
    }

    /// Why a request is refused.
    async fn refusal(&self, method: &str, path: &str, body: Value) -> (u16, String) {
        let (status, body) = self.said(method, path, body).await;
        (status, body["response_id"].as_str().unwrap().to_owned())
    }
}

fn request(method: &str, path: &str, body: &Value) -> Request {
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (path, None),
    };
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let path = format!("/api/v2{path}");
    Request { method: method.into(), path, query, body, ..Request::default() }
}

fn names(objects: &Value, field: &str) -> Vec<String> {
    let objects = objects.as_array().unwrap().iter();
    objects.map(|object| object[field].as_str().unwrap_or_default().to_owned()).collect()
}

fn rule(descr: &str) -> Value {
    json!({"type": "pass", "interface": ["lan"], "ipprotocol": "inet", "source": "any",
        "destination": "any", "descr": descr})
}

fn forward(descr: &str) -> Value {
    json!({"interface": "wan", "protocol": "tcp", "source": "any", "destination": "wan:ip",
        "destination_port": "443", "target": "192.168.1.10", "local_port": "8443",
        "associated_rule_id": "new", "descr": descr})
}

#[tokio::test]
async fn a_firewall_written_down_and_read_again_goes_on_as_it_would_have() {
    let one = Firewall::new(Version::V2_10_0);
    one.ask("POST", "/firewall/nat/port_forward", forward("web")).await;
    let written = serde_json::to_string(&one.0.state().await).unwrap();
    let other = Firewall(PfSense::new(serde_json::from_str(&written).unwrap()));

    let mut heard = Vec::new();
    for firewall in [&one, &other] {
        let created = firewall.ask("POST", "/firewall/nat/port_forward", forward("dns")).await;
        let rules = firewall.ask("GET", "/firewall/rules", Value::Null).await;
        heard.push((created, rules, serde_json::to_string(&firewall.0.state().await).unwrap()));
    }
    assert_eq!(heard[0], heard[1]);
}

#[tokio::test(start_paused = true)]
async fn writes_that_overlap_are_all_granted_and_the_last_one_is_what_stays() {
    let firewall = Firewall::new(Version::V2_10_0);
    let mut state = firewall.0.state().await;
    state.write_ms = 100;
    firewall.0.replace(state).await;
    let alias = |name: &str| json!({"name": name, "type": "host", "address": ["192.0.2.1"]});
    let post = |name| firewall.ask("POST", "/firewall/alias", alias(name));

    let (one, other, third) = tokio::join!(post("one"), post("other"), post("third"));
    assert_eq!([&one["id"], &other["id"], &third["id"]], [0, 0, 0]);
    let stored = firewall.ask("GET", "/firewall/aliases", Value::Null).await;
    assert_eq!(names(&stored, "name").len(), 1, "{stored}");

    post("later").await;
    let stored = firewall.ask("GET", "/firewall/aliases", Value::Null).await;
    assert_eq!(names(&stored, "name").len(), 2, "{stored}");
}

#[tokio::test]
async fn what_goes_on_follows_from_what_is_configured() {
    let firewall = Firewall::new(Version::V2_10_0);
    let mut state = firewall.0.state().await;
    state.live.time = i64::try_from(START_MS / 1000).unwrap();
    firewall.0.replace(state).await;
    let mapping = json!({"parent_id": "lan", "mac": "52:54:00:aa:bb:cc",
        "ipaddr": "192.168.1.20", "hostname": "box", "descr": "a box"});
    firewall.ask("POST", "/services/dhcp_server/static_mapping", mapping).await;
    let gateway = json!({"name": "GW1", "ipprotocol": "inet", "interface": "lan",
        "gateway": "192.168.1.254"});
    firewall.ask("POST", "/routing/gateway", gateway).await;

    let leases = firewall.ask("GET", "/status/dhcp_server/leases", Value::Null).await;
    assert_eq!(
        leases,
        json!([{"id": 0, "ip": "192.168.1.20", "mac": "52:54:00:aa:bb:cc", "hostname": "box",
            "if": "lan", "starts": "", "ends": "", "active_status": "static",
            "online_status": "idle/offline", "descr": "a box"}])
    );
    let gateways = firewall.ask("GET", "/status/gateways", Value::Null).await;
    assert_eq!(gateways[0]["monitorip"], "192.168.1.254");
    assert_eq!(gateways[0]["srcip"], "192.168.1.1");
    let lan = firewall.ask("GET", "/status/interfaces?name=lan", Value::Null).await;
    assert_eq!(lan[0]["subnet"], "255.255.255.0");
    assert_eq!(lan[0]["hwif"], "vtnet1");
    firewall.0.advance(Duration::from_hours(3)).await;
    let system = firewall.ask("GET", "/status/system", Value::Null).await;
    assert!(system["uptime"].as_str().unwrap().contains("03 Hours"), "{system}");
    let services = firewall.ask("GET", "/status/services?status=true", Value::Null).await;
    assert_eq!(names(&services, "name"), ["unbound", "ntpd", "syslogd", "dhcpd", "dpinger"]);
}

#[tokio::test]
async fn rules_of_one_second_share_their_tracker_and_old_ones_were_always_made_now() {
    let firewall = Firewall::new(Version::V2_7_1);
    let mut trackers = Vec::new();
    for (descr, pause) in [("a", 0), ("b", 0), ("c", 5)] {
        firewall.0.advance(Duration::from_secs(pause)).await;
        trackers.push(firewall.ask("POST", "/firewall/rule", rule(descr)).await["tracker"].clone());
    }
    let now = START_MS / 1000;
    assert_eq!(trackers, [json!(now), json!(now), json!(now + 5)]);
    let first = firewall.ask("GET", "/firewall/rule?id=0", Value::Null).await;
    assert_eq!(first["created_time"], json!(now + 5));
}

#[tokio::test]
async fn applying_takes_its_time_and_ten_may_wait() {
    let firewall = Firewall::new(Version::V2_7_1);
    let alias = json!({"name": "web", "type": "host", "address": ["10.0.0.1"]});
    firewall.ask("POST", "/firewall/alias", alias).await;
    for _ in 0..10 {
        let applied = firewall.ask("POST", "/firewall/apply", json!({})).await;
        assert_eq!(applied["applied"], false);
    }
    let refused = firewall.answer(request("POST", "/firewall/apply", &json!({}))).await;
    assert_eq!(refused.status, 503);
    assert!(refused.headers.contains(&("Retry-After".into(), "300".into())), "{refused:?}");

    firewall.0.advance(Duration::from_secs(5)).await;
    let applied = firewall.ask("GET", "/firewall/apply", Value::Null).await;
    assert_eq!(applied, json!({"applied": true, "pending_subsystems": []}));
}

#[tokio::test]
async fn the_flag_goes_when_a_write_applies_though_the_work_goes_on() {
    let firewall = Firewall::new(Version::V2_7_1);
    let alias = json!({"name": "web", "type": "host", "address": [], "apply": true});
    firewall.ask("POST", "/firewall/alias", alias).await;
    let applied = firewall.ask("GET", "/firewall/apply", Value::Null).await;
    assert_eq!((&applied["applied"], firewall.0.state().await.work.len()), (&json!(true), 1));
}

#[tokio::test]
async fn an_interface_is_looked_at_before_it_is_applied_even_by_who_waits() {
    let firewall = Firewall::new(Version::V2_7_1);
    let interface = json!({"if": "vtnet3", "enable": true, "descr": "X", "typev4": "none"});
    firewall.ask("POST", "/interface", interface).await;
    let applied = firewall.ask("POST", "/interface/apply", json!({"async": false})).await;
    assert_eq!(applied, json!({"applied": false, "pending_interfaces": ["opt2"]}));
    let applied = firewall.ask("GET", "/interface/apply", Value::Null).await;
    assert_eq!(applied, json!({"applied": true, "pending_interfaces": []}));
}

#[tokio::test]
async fn an_interface_takes_its_rules_with_it_and_leaves_its_id_and_floating_rules() {
    let firewall = Firewall::new(Version::V2_7_1);
    let mut floating = rule("floating");
    floating["interface"] = json!(["opt1", "wan"]);
    floating["floating"] = json!(true);
    let mut bound = rule("bound");
    bound["interface"] = json!(["opt1"]);
    firewall.ask("POST", "/firewall/rule", floating).await;
    firewall.ask("POST", "/firewall/rule", bound).await;
    firewall.ask("DELETE", "/interface?id=opt1", Value::Null).await;

    let rules = firewall.ask("GET", "/firewall/rules", Value::Null).await;
    assert_eq!(names(&rules, "descr")[2..], ["floating"]);
    assert_eq!(rules[2]["interface"], json!(["opt1", "wan"]));
    let next = json!({"if": "vtnet3", "enable": true, "descr": "X", "typev4": "none"});
    assert_eq!(firewall.ask("POST", "/interface", next).await["id"], "opt1");
}

#[tokio::test]
async fn a_second_dhcp_server_on_an_interface_wipes_the_mappings_of_the_first() {
    let firewall = Firewall::new(Version::V2_7_1);
    let mapping = json!({"parent_id": "lan", "mac": "00:11:22:33:44:55", "ipaddr": "192.168.1.9"});
    firewall.ask("POST", "/services/dhcp_server/static_mapping", mapping).await;
    let server = json!({"interface": "lan", "enable": true, "range_from": "192.168.1.20",
        "range_to": "192.168.1.30"});
    firewall.ask("POST", "/services/dhcp_server", server).await;
    let servers = firewall.ask("GET", "/services/dhcp_servers", Value::Null).await;
    assert_eq!(
        (servers[0]["range_from"].clone(), servers[0]["staticmap"].clone()),
        (json!("192.168.1.20"), json!([]))
    );
    let never = json!({"id": "opt1", "enable": false});
    assert_eq!(
        firewall.refusal("PATCH", "/services/dhcp_server", never).await,
        (404, "MODEL_OBJECT_NOT_FOUND".into())
    );
}

#[tokio::test]
async fn the_rule_of_a_port_forward_follows_it() {
    let firewall = Firewall::new(Version::V2_10_0);
    firewall.ask("POST", "/firewall/nat/port_forward", forward("web")).await;
    let change = json!({"id": 0, "local_port": "9000", "disabled": true});
    firewall.ask("PATCH", "/firewall/nat/port_forward", change).await;
    let rules = firewall.ask("GET", "/firewall/rules", Value::Null).await;
    assert_eq!(
        (&rules[2]["destination_port"], &rules[2]["disabled"]),
        (&json!("9000"), &json!(true))
    );

    firewall.ask("DELETE", "/firewall/nat/port_forward?id=0", Value::Null).await;
    let rules = firewall.ask("GET", "/firewall/rules", Value::Null).await;
    assert_eq!(rules.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_listing_put_back_loses_what_it_did_not_show() {
    let firewall = Firewall::new(Version::V2_7_1);
    let key = STANDARD.encode([8; 32]);
    let tunnel = json!({"listenport": "51820", "privatekey": key});
    firewall.ask("POST", "/vpn/wireguard/tunnel", tunnel).await;
    let peer = json!({"tun": "tun_wg0", "publickey": key, "presharedkey": key});
    firewall.ask("POST", "/vpn/wireguard/peer", peer).await;
    let stored = |state: State| {
        state.config.at("installedpackages/wireguard/peers/item/0/presharedkey").cloned()
    };
    assert_eq!(stored(firewall.0.state().await).unwrap().as_text(), Some(key.as_str()));

    let peers = firewall.ask("GET", "/vpn/wireguard/peers", Value::Null).await;
    firewall.ask("PUT", "/vpn/wireguard/peers", peers).await;
    assert_eq!(stored(firewall.0.state().await).unwrap().as_text(), Some(""));
    let tunnels = firewall.ask("GET", "/vpn/wireguard/tunnels", Value::Null).await;
    assert_eq!(
        firewall.refusal("PUT", "/vpn/wireguard/tunnels", tunnels).await,
        (400, "FIELD_IS_REQUIRED".into())
    );
}

#[tokio::test]
async fn what_may_not_write_is_told_that_it_wrote() {
    let firewall = Firewall::new(Version::V2_7_1);
    let mut state = firewall.0.state().await;
    state.add_user("reader", "secret", &["page-all", "user-config-readonly"]);
    firewall.0.replace(state).await;
    let alias = json!({"name": "web", "type": "host", "address": ["10.0.0.1"]});
    let mut wish = request("POST", "/firewall/alias", &alias);
    let basic = format!("Basic {}", STANDARD.encode("reader:secret"));
    wish.headers.push(("Authorization".into(), basic));
    assert_eq!(firewall.answer(wish).await.status, 200);
    assert_eq!(firewall.ask("GET", "/firewall/aliases", Value::Null).await, json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_lock_left_behind_holds_up_writes_for_a_minute_and_refuses_them() {
    let firewall = Firewall::new(Version::V2_7_1);
    let mut state = firewall.0.state().await;
    state.is_locked = true;
    firewall.0.replace(state).await;
    let began = tokio::time::Instant::now();
    let refusal = firewall.refusal("POST", "/firewall/rule", rule("a")).await;
    assert_eq!(refusal, (503, "MODEL_WRITE_CONFIG_LOCKED".into()));
    assert_eq!(began.elapsed().as_secs(), 61);
    assert_eq!(firewall.ask("GET", "/firewall/aliases", Value::Null).await, json!([]));
}

#[tokio::test]
async fn a_token_lets_its_owner_in_until_it_is_old() {
    let firewall = Firewall::new(Version::V2_7_1);
    let mut wish = request("POST", "/auth/jwt", &Value::Null);
    let basic = format!("Basic {}", STANDARD.encode("admin:pfsense"));
    wish.headers.push(("Authorization".into(), basic));
    let body: Value = serde_json::from_slice(&firewall.answer(wish).await.body).unwrap();
    let token = body["data"]["token"].as_str().unwrap();

    let mut statuses = Vec::new();
    for pause in [3599, 1] {
        firewall.0.advance(Duration::from_secs(pause)).await;
        let mut wish = request("GET", "/firewall/aliases", &Value::Null);
        wish.headers.push(("Authorization".into(), format!("Bearer {token}")));
        statuses.push(firewall.answer(wish).await.status);
    }
    assert_eq!(statuses, [200, 401]);
}

#[tokio::test]
async fn a_filter_on_an_unknown_field_deletes_everything_and_so_does_a_trial() {
    for query in ["nofield=zzz", "name=a&dry_run=true"] {
        let firewall = Firewall::new(Version::V2_10_0);
        let alias = json!({"name": "a", "type": "host", "address": []});
        firewall.ask("POST", "/firewall/alias", alias).await;
        firewall.ask("DELETE", &format!("/firewall/aliases?{query}"), Value::Null).await;
        assert_eq!(firewall.ask("GET", "/firewall/aliases", Value::Null).await, json!([]));
    }
}

#[tokio::test]
async fn a_trial_of_one_object_changes_nothing_where_the_version_knows_trials() {
    for (version, left) in [(Version::V2_7_1, 1), (Version::V2_10_0, 0)] {
        let firewall = Firewall::new(version);
        let alias = json!({"name": "a", "type": "host", "address": [], "dry_run": true});
        firewall.ask("POST", "/firewall/alias", alias).await;
        let aliases = firewall.ask("GET", "/firewall/aliases", Value::Null).await;
        assert_eq!(aliases.as_array().unwrap().len(), left, "{version:?}");
    }
}

#[tokio::test]
async fn interfaces_are_called_as_the_settings_say() {
    let firewall = Firewall::new(Version::V2_7_1);
    let settings = json!({"represent_interfaces_as": "descr"});
    firewall.ask("PATCH", "/system/restapi/settings", settings).await;
    assert_eq!(
        firewall.refusal("POST", "/firewall/rule", rule("a")).await,
        (400, "FIELD_INVALID_CHOICE".into())
    );
    let mut named = rule("a");
    named["interface"] = json!(["DMZ"]);
    assert_eq!(firewall.ask("POST", "/firewall/rule", named).await["interface"], json!(["DMZ"]));
    let state = firewall.0.state().await;
    assert_eq!(state.config.at("filter/rule/2/interface").unwrap().as_text(), Some("opt1"));
}

#[tokio::test]
async fn the_last_rule_stays() {
    let firewall = Firewall::new(Version::V2_7_1);
    firewall.ask("DELETE", "/firewall/rule?id=1", Value::Null).await;
    assert_eq!(
        firewall.refusal("DELETE", "/firewall/rule?id=0", Value::Null).await,
        (403, "MODEL_MANY_MINIMUM_REACHED".into())
    );
}

#[tokio::test]
async fn writes_of_one_second_are_one_revision() {
    let firewall = Firewall::new(Version::V2_7_1);
    for (descr, pause) in [("a", 1), ("b", 0), ("c", 1)] {
        firewall.0.advance(Duration::from_secs(pause)).await;
        firewall.ask("POST", "/firewall/rule", rule(descr)).await;
    }
    let path = "/diagnostics/config_history/revisions?limit=1";
    let revisions = firewall.ask("GET", path, Value::Null).await;
    assert_eq!(revisions[0]["time"], json!(START_MS / 1000 + 1));
    assert_eq!(firewall.0.state().await.history.len(), 2);
}

#[tokio::test]
async fn what_a_reconciler_needs_can_be_made_seen_changed_and_taken_away() {
    let key = STANDARD.encode([8; 32]);
    let kinds = [
        ("/interface/vlan", "/interface/vlans", json!({"if": "vtnet3", "tag": 20})),
        (
            "/interface",
            "/interfaces",
            json!({"if": "vtnet3", "enable": true, "descr": "X", "typev4": "static",
                "ipaddr": "10.0.0.1", "subnet": 24}),
        ),
        (
            "/firewall/alias",
            "/firewall/aliases",
            json!({"name": "a", "type": "network", "address": ["10.0.0.0/8"]}),
        ),
        ("/firewall/rule", "/firewall/rules", rule("a")),
        ("/firewall/nat/port_forward", "/firewall/nat/port_forwards", forward("a")),
        (
            "/firewall/nat/outbound/mapping",
            "/firewall/nat/outbound/mappings",
            json!({"interface": "wan", "source": "lan", "destination": "!10.0.0.0/8",
                "target": "wan:ip"}),
        ),
        (
            "/firewall/nat/one_to_one/mapping",
            "/firewall/nat/one_to_one/mappings",
            json!({"interface": "wan", "external": "203.0.113.5", "source": "192.168.1.10",
                "destination": "any"}),
        ),
        (
            "/firewall/virtual_ip",
            "/firewall/virtual_ips",
            json!({"mode": "proxyarp", "interface": "wan", "type": "network",
                "subnet": "203.0.113.0", "subnet_bits": 28}),
        ),
        (
            "/services/dhcp_server/static_mapping",
            "/services/dhcp_server/static_mappings",
            json!({"parent_id": "lan", "mac": "00:11:22:33:44:55", "ipaddr": "192.168.1.9"}),
        ),
        (
            "/vpn/wireguard/tunnel",
            "/vpn/wireguard/tunnels",
            json!({"privatekey": key, "addresses": [{"address": "10.9.0.1", "mask": 24}]}),
        ),
        (
            "/vpn/wireguard/peer",
            "/vpn/wireguard/peers",
            json!({"publickey": key, "allowedips": [{"address": "10.9.0.2", "mask": 32}]}),
        ),
    ];
    for version in [Version::V2_7_1, Version::V2_10_0] {
        for (one, many, wish) in &kinds {
            let firewall = Firewall::new(version);
            let before = firewall.ask("GET", many, Value::Null).await;
            let made = firewall.ask("POST", one, wish.clone()).await;
            let (id, parent) = (&made["id"], &made["parent_id"]);
            let mut change = json!({"id": id, "descr": "changed"});
            let mut query = format!("{one}?id={}", id.as_str().unwrap_or(&id.to_string()));
            if let Some(parent) = parent.as_str() {
                change["parent_id"] = json!(parent);
                query += &format!("&parent_id={parent}");
            }
            let changed = firewall.ask("PATCH", one, change).await;
            let seen = firewall.ask("GET", &query, Value::Null).await;
            assert_eq!((&changed["descr"], &seen["descr"]), (&json!("changed"), &json!("changed")));
            for (name, wished) in wish.as_object().unwrap() {
                let is_shown =
                    !matches!(name.as_str(), "descr" | "privatekey" | "associated_rule_id")
                        && !wished[0].is_object();
                assert!(!is_shown || seen[name] == *wished, "{one} {name}: {seen}");
            }
            firewall.ask("DELETE", &query, Value::Null).await;
            assert_eq!(firewall.ask("GET", many, Value::Null).await, before, "{one}");
        }
    }
}
