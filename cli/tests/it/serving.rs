//! `lessor serve`, and who may do what from the command line.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::running::Serving;
use crate::support::{Shop, WEB};

#[test]
fn a_first_admin_comes_from_a_link_and_a_first_key_from_a_command() {
    let shop = Shop::new(WEB);
    let made = shop.lessor("user create-admin root@example.net --url https://api.example.net/");
    let (url, rest) = made.stdout.split_once('\n').unwrap();
    let link = url.strip_prefix("https://api.example.net/welcome#").unwrap();
    assert_snapshot!(rest, @"chooses the password of root@example.net, once, within a day");
    let key = shop.lessor("apikey create --platform-admin --format json");
    let key: Value = serde_json::from_str(&key.stdout).unwrap();

    let serving = Serving::start(&shop);
    let choice = json!({ "link": link, "password": "correct horse battery" });
    assert_eq!(serving.call("POST", "/v1/passwords", "", &choice).0, 200);
    let grant = json!({
        "grant_type": "password",
        "email": "root@example.net",
        "password": "correct horse battery",
    });
    let (status, tokens) = serving.call("POST", "/v1/auth/token", "", &grant);
    assert_eq!(status, 200, "{tokens}");
    let token = tokens["access_token"].as_str().unwrap();
    for secret in [token, key["secret"].as_str().unwrap()] {
        let (status, users) = serving.call("GET", "/v1/users", secret, &Value::Null);
        assert_eq!((status, &users["items"][0]["email"]), (200, &json!("root@example.net")));
    }
    let (code, log) = serving.end();
    assert_eq!(code, Some(0), "{log}");

    // One line a call, for machines, with nobody's name or secret in it.
    let lines: Vec<Value> =
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let calls = lines.iter().filter(|line| line["message"] == "answered a call");
    assert_eq!(calls.count(), 4, "{log}");
    for word in ["root@", "correct horse", link, token, "usr_"] {
        assert!(!log.contains(word), "`{word}` in {log}");
    }
}

#[test]
fn what_was_done_is_listed_and_verified() {
    let shop = Shop::new(WEB);
    assert_eq!(shop.lessor("user create-admin root@example.net").code, 0);
    assert_eq!(shop.lessor("tenant create acme --owner root@example.net").code, 0);
    assert_eq!(shop.lessor("user status root@example.net suspended --reason test").code, 0);
    let listed = shop.lessor("audit list --format json");
    let actions = listed.stdout.lines().map(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        format!("{} {}\n", event["actor"].as_str().unwrap(), event["action"].as_str().unwrap())
    });
    assert_snapshot!(actions.collect::<String>(), @"
    command account.status
    command tenant.create
    command link.create
    command account.create
    ");
    assert_snapshot!(shop.lessor("audit verify"), @"
    0 sealed as they were, 4 not sealed yet
    head 0:
    exit 0
    ");
    // A server seals.
    let serving = Serving::start(&shop);
    let sealed = loop {
        let ran = shop.lessor("audit verify --format json");
        let verdict: Value = serde_json::from_str(&ran.stdout).unwrap();
        if verdict["sealed"] == 4 {
            break verdict;
        }
    };
    assert_eq!(serving.end().0, Some(0));
    let head = sealed["head"].as_str().unwrap();
    assert_eq!(shop.lessor(&format!("audit verify --expect {head}")).code, 0);
    let (_, hash) = head.split_once(':').unwrap();
    assert_snapshot!(shop.lessor(&format!("audit verify --expect 9:{hash}")).stderr, @"
    error: link 9 of the audit log is not what was expected
      hint: somebody wrote the log anew, or cut off its end; compare with a backup
    ");
}

#[test]
fn passwords_do_not_pass_over_a_network_for_all_to_read() {
    let shop = Shop::new(WEB);
    assert_snapshot!(shop.lessor("serve --listen 0.0.0.0:0"), @"
    err| error: 0.0.0.0:0 can be reached by others, and there is no TLS
    err|   hint: give `--tls-cert` and `--tls-key`, or listen on 127.0.0.1, or name the proxy that speaks TLS for us with `--trusted-proxy`
    exit 64
    ");
    assert_snapshot!(shop.lessor("serve --listen :0 --tls-cert none.pem --tls-key none.pem"), @"
    err| error: `none.pem` cannot be used: I/O error: No such file or directory (os error 2)
    exit 1
    ");
}

#[test]
fn whoever_is_not_there_is_named() {
    let shop = Shop::new(WEB);
    assert_snapshot!(shop.lessor("user role nobody@example.net admin"), @"
    err| error: there is no account `nobody@example.net`
    err|   hint: `lessor user list` shows all of them
    exit 1
    ");
    assert_snapshot!(shop.lessor("apikey create --tenant acme"), @"
    err| error: there is no tenant `acme`
    err|   hint: `lessor tenant list` shows all of them
    exit 1
    ");
    assert_eq!(shop.lessor("user create-admin root@example.net").code, 0);
    assert_snapshot!(shop.lessor("user create-admin root@example.net"), @"
    err| error: there is an account with this mail address already
    exit 1
    ");
    let ended = shop.lessor("apikey revoke key_01ARZ3NDEKTSV4RRFFQ69G5FAV");
    assert_snapshot!(ended, @"
    err| error: there is no key `key_01ARZ3NDEKTSV4RRFFQ69G5FAV`
    exit 1
    ");
}

#[test]
fn keys_are_shown_once_listed_and_ended() {
    let shop = Shop::new(WEB);
    assert_eq!(shop.lessor("tenant create acme").code, 0);
    let made = shop.lessor("apikey create --tenant acme --scope orders:read --format json");
    let key: Value = serde_json::from_str(&made.stdout).unwrap();
    let (id, secret) = (key["id"].as_str().unwrap(), key["secret"].as_str().unwrap());
    let listed = shop.lessor("apikey list --tenant acme");
    assert!(listed.stdout.contains(id) && !listed.stdout.contains(secret), "{listed}");
    assert!(listed.stdout.contains("orders:read"), "{listed}");
    assert_eq!(shop.lessor(&format!("apikey revoke {id}")).code, 0);
    assert_eq!(shop.lessor("apikey list --tenant acme").stdout, "");
}
