//! What goes wrong, and that it is told apart.

use std::time::Duration;

use lessor_providers::https::{Https, HttpsError, Pin, Trust};
use lessor_providers::pfsense::{
    CallError, Client, Credentials, Denial, DhcpServer, Peer, PortForward, Rule, Tunnel, WriteOnly,
};
use lessor_sandbox::http::Answer;
use lessor_sandbox::pfsense::Version;
use secrecy::SecretString;

use crate::firewall::{Firewall, KEY, Trick, VERSIONS, refusal};
use crate::objects::{alias, rule};

#[tokio::test]
async fn another_certificate_hears_no_key() {
    let firewall = Firewall::new(Version::V2_7_1).await;
    let trust = Trust::Pinned(Pin::of(b"another"));
    let https = Https::new(&format!("https://{}", firewall.server.address()), &trust).unwrap();
    let client = Client::new(https, Credentials::Key(SecretString::from(KEY.to_owned())));

    let error = client.alias_list().await.unwrap_err();

    assert!(
        matches!(error, CallError::Unreachable(HttpsError::OtherCertificate { .. })),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("`fingerprint`"));
    assert_eq!(firewall.count("GET /firewall/aliases"), 0);
}

#[tokio::test]
async fn a_wrong_key_is_shown_once_and_never_again() {
    for version in VERSIONS {
        let firewall = Firewall::new(version).await;
        let client = firewall.client_with("wrong");

        let first = client.alias_list().await.unwrap_err();
        let second = client.alias_list().await.unwrap_err();

        let call = "GET /api/v2/firewall/aliases".into();
        assert_eq!(first, CallError::Denied { call, denial: Denial::Login });
        assert_eq!(first, second);
        assert_eq!(firewall.count("GET /firewall/aliases"), 1);
        assert!(!first.may_pass());
    }
}

#[tokio::test]
async fn a_user_logs_in_by_name_and_a_privilege_he_lacks_is_named() {
    for version in VERSIONS {
        let firewall = Firewall::new(version).await;
        let client = firewall.client_of(&["api-v2-firewall-aliases-get"]).await;

        assert_eq!(client.alias_list().await.unwrap(), []);
        let error = client.port_forward_create(&PortForward::default()).await.unwrap_err();

        let told = "the firewall refused `GET /api/v2/system/restapi/settings`: the user lacks the \
                    privilege `api-v2-system-restapi-settings-get`";
        assert_eq!(error.to_string(), told);
        let error = client.alias_create(&alias("web")).await.unwrap_err();
        let denial = Denial::Privilege("api-v2-firewall-alias-post".into());
        assert_eq!(error, CallError::Denied { call: "POST /api/v2/firewall/alias".into(), denial });
    }
}

#[tokio::test]
async fn the_privileges_that_are_missing_are_found_out_and_nothing_is_done() {
    for version in VERSIONS {
        let firewall = Firewall::new(version).await;
        let before = firewall.system.state().await.config;

        assert_eq!(firewall.client().privileges_missing().await.unwrap(), [""; 0]);
        let all_but = "api-v2-firewall-nat-one-to-one-mapping-delete";
        let missing = firewall.client_of(&["api-v2-interface-get"]).await;
        let missing = missing.privileges_missing().await.unwrap();

        assert_eq!(missing.len(), 67);
        assert!(missing.contains(&all_but.to_owned()));
        firewall.change(|state| state.config.remove("system/user/1")).await;
        assert_eq!(firewall.system.state().await.config, before);
        assert!(firewall.system.state().await.history.is_empty());
    }
}

#[tokio::test]
async fn a_read_only_firewall_says_so() {
    for version in VERSIONS {
        let firewall = Firewall::with(version, |state| {
            state.config.set("installedpackages/package/0/conf/read_only", "enabled".into());
        })
        .await;

        let error = firewall.client().alias_create(&alias("web")).await.unwrap_err();

        assert_eq!(error, CallError::ReadOnly { call: "POST /api/v2/firewall/alias".into() });
        assert!(firewall.client().settings().await.unwrap().read_only);
    }
}

#[tokio::test]
async fn a_lock_that_stays_needs_somebody() {
    let firewall = Firewall::new(Version::V2_10_0).await;
    let client = firewall.client();
    let mut told = Vec::new();
    for _ in 0..2 {
        let locked = refusal(503, "MODEL_WRITE_CONFIG_LOCKED", "Cannot write.");
        firewall.trick("POST /firewall/alias", Trick::Answered(locked));
        let error = client.alias_create(&alias("web")).await.unwrap_err();
        assert!(matches!(error, CallError::Locked { .. }), "{error:?}");
        told.push((error.may_pass(), error.hint().is_some()));
    }
    assert_eq!(told, [(true, false), (false, true)]);

    client.alias_create(&alias("web")).await.unwrap();
    let locked = refusal(503, "MODEL_WRITE_CONFIG_LOCKED", "Cannot write.");
    firewall.trick("POST /firewall/alias", Trick::Answered(locked));
    assert!(client.alias_create(&alias("other")).await.unwrap_err().may_pass());
}

#[tokio::test]
async fn a_firewall_that_is_switched_off_says_so() {
    let firewall = Firewall::with(Version::V2_10_0, |state| {
        state.config.set("installedpackages/package/0/conf/enabled", "disabled".into());
    })
    .await;
    let error = firewall.client().alias_list().await.unwrap_err();
    assert!(matches!(error, CallError::Off { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_wrong_with_an_object_is_told_by_its_field() {
    for version in VERSIONS {
        let firewall = Firewall::new(version).await;
        let client = firewall.client();
        let dangling = Rule { gateway: Some("GW9".into()), ..rule(1) };
        let no_alias = Rule { destination: "nothing".into(), ..rule(1) };
        let beyond = client.rule_create(&rule(1), Some(99)).await.unwrap_err();
        let told = [
            client.rule_create(&no_alias, None).await.unwrap_err(),
            client.rule_create(&dangling, None).await.unwrap_err(),
            client.alias_create(&alias("bad name")).await.unwrap_err(),
            beyond,
        ];

        let kinds = told.each_ref().map(|error| match error {
            // The older version names the alias and not the field.
            CallError::Invalid { why, .. } if why.contains("`bad name`") => "invalid name".into(),
            CallError::Invalid { field, .. } => format!("invalid {}", field.as_deref().unwrap()),
            CallError::Dangling { field, .. } => format!("dangling {}", field.as_deref().unwrap()),
            other => panic!("{other:?}"),
        });
        let expected =
            ["invalid destination", "dangling gateway", "invalid name", "invalid placement"];
        assert_eq!(kinds, expected, "{version:?}");
        assert_eq!(client.rule_list().await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn the_last_rule_and_the_dhcp_server_that_is_there_are_kept() {
    for version in VERSIONS {
        let firewall = Firewall::new(version).await;
        let client = firewall.client();
        let lan = DhcpServer { interface: "lan".into(), ..DhcpServer::default() };

        let taken = client.dhcp_server_create(&lan).await.unwrap_err();
        let at = client.rule_find(100_000_101).await.unwrap().unwrap();
        client.rule_delete(at).await.unwrap();
        let at = client.rule_find(100_000_102).await.unwrap().unwrap();
        let last = client.rule_delete(at).await.unwrap_err();

        assert_eq!(taken, CallError::Taken { what: "DHCP server `lan`".into() });
        assert!(matches!(last, CallError::Protected { .. }), "{last:?}");
    }
}

#[tokio::test]
async fn two_that_could_be_meant_are_left_alone() {
    let firewall = Firewall::new(Version::V2_7_1).await;
    let client = firewall.client();
    client.rule_create(&rule(5), None).await.unwrap();
    client.rule_create(&rule(5), None).await.unwrap();

    let error = client.rule_find(5).await.unwrap_err();

    assert_eq!(error, CallError::Ambiguous { what: "rule `5`".into(), count: 2 });
}

#[tokio::test]
async fn without_its_package_there_is_no_wireguard() {
    for version in VERSIONS {
        let firewall = Firewall::with(version, |state| state.packages.clear()).await;
        let client = firewall.client();
        let tunnel = Tunnel { listenport: 51820, ..Tunnel::default() };

        let error = client.tunnel_create(&tunnel).await.unwrap_err();

        assert_eq!(client.tunnel_list().await.unwrap(), []);
        let call = "POST /api/v2/vpn/wireguard/tunnel".into();
        assert_eq!(error, CallError::NoPackage { call, package: "pfSense-pkg-WireGuard" });
    }
}

#[tokio::test]
async fn an_answer_that_is_none_of_the_api_is_told_by_what_may_have_happened() {
    let firewall = Firewall::new(Version::V2_10_0).await;
    let client = firewall.client();
    let page = |status, reason: &str, words: &str| {
        let body = format!("<html><head></head><body><h1>{words}</h1></body></html>");
        Trick::Answered(Answer::new(status, reason, body).header("Content-Type", "text/html"))
    };
    let mut told = Vec::new();
    for (status, words) in [(502, "502 Bad Gateway"), (200, "PHP Warning"), (404, "404 Not Found")]
    {
        firewall.trick("GET /firewall/aliases", page(status, "", words));
        firewall.trick("POST /firewall/alias", page(status, "", words));
        told.push(client.alias_list().await.unwrap_err());
        told.push(client.alias_create(&alias("web")).await.unwrap_err());
    }
    firewall.fault("status:500,method=POST");
    told.push(client.alias_create(&alias("web")).await.unwrap_err());

    let told: Vec<String> = told.iter().map(|error| format!("{error:?}")).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    Unanswered { call: "GET /api/v2/firewall/aliases", why: "HTTP 502, `502 Bad Gateway`" }
    Unknown { call: "POST /api/v2/firewall/alias", why: "HTTP 502, `502 Bad Gateway`" }
    Garbled { call: "GET /api/v2/firewall/aliases", why: "HTTP 200, `PHP Warning`" }
    Unknown { call: "POST /api/v2/firewall/alias", why: "HTTP 200, `PHP Warning`" }
    NoPackage { call: "GET /api/v2/firewall/aliases", package: "pfSense-pkg-RESTAPI" }
    NoPackage { call: "POST /api/v2/firewall/alias", package: "pfSense-pkg-RESTAPI" }
    Unknown { call: "POST /api/v2/firewall/alias", why: "HTTP 500" }
    "#);
}

#[tokio::test]
async fn a_lost_answer_leaves_a_write_unknown_and_a_look_unanswered() {
    let firewall = Firewall::new(Version::V2_10_0).await;
    let client = firewall.client();
    firewall.fault("lost,times=2");

    let look = client.alias_list().await.unwrap_err();
    let write = client.alias_create(&alias("web")).await.unwrap_err();

    assert!(matches!(look, CallError::Unanswered { .. }), "{look:?}");
    assert!(write.is_unknown() && write.may_pass(), "{write:?}");
    assert_eq!(client.alias_list().await.unwrap(), [alias("web")]);
}

#[tokio::test]
async fn an_answer_that_takes_too_long_leaves_a_write_unknown() {
    let firewall = Firewall::new(Version::V2_10_0).await;
    let client = firewall.client().with_deadlines(Duration::from_mins(1), Duration::ZERO);
    firewall.fault("slow:600000,method=POST");

    let error = client.alias_create(&alias("web")).await.unwrap_err();

    assert!(error.is_unknown(), "{error:?}");
}

#[tokio::test]
async fn nobody_there_is_told_from_no_answer() {
    let firewall = Firewall::new(Version::V2_10_0).await;
    let client = firewall.client();
    drop(firewall);
    let error = client.alias_create(&alias("web")).await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn no_secret_is_shown_by_anything_that_is_printed() {
    let firewall = Firewall::new(Version::V2_10_0).await;
    let client = firewall.client();
    let secret = || WriteOnly::of(SecretString::from("hunter2".to_owned()));
    let peer = Peer { publickey: "p".into(), presharedkey: secret(), ..Peer::default() };
    let password = SecretString::from("hunter2".to_owned());
    let credentials = Credentials::Basic { user: "a".into(), password };
    let message = format!("Field `presharedkey` cannot be `hunter2`, `{KEY}`.");
    firewall.trick("POST /vpn/wireguard/peer", Trick::Answered(refusal(400, "NO", &message)));

    let error = client.peer_create(&peer).await.unwrap_err();

    let printed = format!("{client:?} {peer:?} {credentials:?} {error:?} {error}");
    assert!(!printed.contains("hunter2") && !printed.contains(KEY), "{printed}");
    assert!(printed.contains("cannot be `(secret)`, `(secret)`."), "{printed}");
}
