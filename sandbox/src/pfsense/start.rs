//! How a firewall begins.

use std::collections::BTreeSet;

use super::session::SETTINGS;
use super::state::{Card, Revision, State};
use super::value::{Value, map};
use super::{Version, WIREGUARD, rules};
use crate::{Chance, Clock};

impl State {
    /// A firewall somebody has just set up: `wan` gets its address from outside, `lan` is
    /// 192.168.1.1/24 with a pool from .100 to .199, `opt1` is called DMZ and has no address, and
    /// a fourth card is free. Two rules let `lan` out. `admin` may everything and has the password
    /// `pfsense`; keys, passwords and tokens are taken. `WireGuard` is installed.
    pub fn new(version: Version, seed: u64) -> State {
        let mut state = State {
            version,
            clock: Clock::default(),
            chance: Chance::new(seed),
            config: first_config(),
            is_locked: false,
            live: Revision {
                time: 0,
                description: "(system): Loaded factory defaults".into(),
                size: 0,
            },
            history: Vec::new(),
            dirty: BTreeSet::new(),
            pending_interfaces: Vec::new(),
            work: Vec::new(),
            apply_ms: 2000,
            write_ms: 150,
            ports: (0..4).map(card).collect(),
            packages: BTreeSet::from([WIREGUARD.to_owned()]),
            token_secret: String::new(),
        };
        state.token_secret = state.chance.hex(32);
        state.live.time = state.now_ms() / 1000;
        state.live.size = i64::try_from(state.config.to_json().len()).unwrap_or_default();
        state
    }

    /// Adds a user with these privileges.
    pub fn add_user(&mut self, name: &str, password: &str, privileges: &[&str]) {
        let users = self.config.at("system/user").and_then(Value::as_list).unwrap_or_default();
        let number = users.len();
        let uid = 2000 + number - 1;
        let user = user(name, password, &uid.to_string(), "user", privileges);
        self.config.set(&format!("system/user/{number}"), user);
    }

    /// Lets a key speak for a user.
    pub fn add_key(&mut self, user: &str, key: &str) {
        let path = format!("{SETTINGS}/keys/key");
        let number = self.config.at(&path).and_then(Value::as_list).map_or(0, <[Value]>::len);
        let known = map([
            ("descr", "".into()),
            ("username", user.into()),
            ("hash_algo", "sha256".into()),
            ("length_bytes", "24".into()),
            ("hash", rules::hash_of("sha256", key).into()),
        ]);
        self.config.set(&format!("{path}/{number}"), known);
    }
}

fn card(n: usize) -> Card {
    Card { name: format!("vtnet{n}"), mac: format!("52:54:00:00:00:{:02x}", n + 1) }
}

fn first_config() -> Value {
    let mut config = map([("interfaces", interfaces())]);
    config.set(
        "filter/rule",
        Value::List(vec![
            lan_out("inet", "100000101", "Default allow LAN to any rule"),
            lan_out("inet6", "100000102", "Default allow LAN IPv6 to any rule"),
        ]),
    );
    config.set(
        "dhcpd/lan",
        map([
            ("enable", "".into()),
            ("range", map([("from", "192.168.1.100".into()), ("to", "192.168.1.199".into())])),
        ]),
    );
    config.set("system/hostname", "pfSense".into());
    config.set("system/domain", "home.arpa".into());
    config.set("system/user/0", user("admin", "pfsense", "0", "system", &["user-shell-access"]));
    config.set(
        "system/group",
        Value::List(vec![group("all", "1998", &[]), group("admins", "1999", &["page-all"])]),
    );
    config.set("system/group/0/member/0", "0".into());
    config.set("system/group/1/member/0", "0".into());
    config.set(SETTINGS, settings());
    config
}

fn interfaces() -> Value {
    let interface = |port: &str, descr: &str| {
        map([("if", port.into()), ("enable", "".into()), ("descr", descr.into())])
    };
    let mut wan = interface("vtnet0", "WAN");
    wan.set("ipaddr", "dhcp".into());
    let mut lan = interface("vtnet1", "LAN");
    lan.set("ipaddr", "192.168.1.1".into());
    lan.set("subnet", "24".into());
    map([("wan", wan), ("lan", lan), ("opt1", interface("vtnet2", "DMZ"))])
}

fn lan_out(family: &str, tracker: &str, descr: &str) -> Value {
    map([
        ("type", "pass".into()),
        ("ipprotocol", family.into()),
        ("descr", descr.into()),
        ("interface", "lan".into()),
        ("tracker", tracker.into()),
        ("source", map([("network", "lan".into())])),
        ("destination", map([("any", "".into())])),
    ])
}

fn user(name: &str, password: &str, uid: &str, scope: &str, privileges: &[&str]) -> Value {
    map([
        ("name", name.into()),
        ("bcrypt-hash", rules::hashed(password)),
        ("uid", uid.into()),
        ("scope", scope.into()),
        ("priv", privileges.iter().copied().collect()),
        ("descr", "".into()),
    ])
}

fn group(name: &str, gid: &str, privileges: &[&str]) -> Value {
    map([
        ("name", name.into()),
        ("gid", gid.into()),
        ("scope", "system".into()),
        ("priv", privileges.iter().copied().collect()),
        ("description", "".into()),
    ])
}

fn settings() -> Value {
    map([
        ("enabled", "enabled".into()),
        ("read_only", "disabled".into()),
        ("keep_backup", "enabled".into()),
        ("login_protection", "enabled".into()),
        ("log_successful_auth", "disabled".into()),
        ("log_level", "LOG_WARNING".into()),
        ("allow_pre_releases", "disabled".into()),
        ("hateoas", "disabled".into()),
        ("expose_sensitive_fields", "disabled".into()),
        ("override_sensitive_fields", "".into()),
        ("allowed_interfaces", "".into()),
        ("represent_interfaces_as", "id".into()),
        ("auth_methods", "KeyAuth,BasicAuth,JWTAuth".into()),
        ("jwt_exp", "3600".into()),
        ("ha_sync", "disabled".into()),
        ("ha_sync_hosts", "".into()),
        ("ha_sync_username", "".into()),
    ])
}
