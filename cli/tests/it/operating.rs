//! What operators do from the command line, with the database and over HTTP alike.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use serde_json::Value;

use crate::remote::{RENTING, key, without_ids};
use crate::running::Serving;
use crate::support::{Ran, Shop};

/// Who carries out commands: a server with a key, or the database.
struct Asked<'a> {
    shop: &'a Shop,
    server: Option<(&'a str, &'a str)>,
}

impl Asked<'_> {
    fn ran(&self, args: &str) -> Ran {
        let mut command = self.shop.command(args);
        if let Some((url, key)) = self.server {
            command.args(["--server", url]).env("LESSOR_API_KEY", key);
        }
        self.shop.ran(&command.output().unwrap())
    }

    fn json(&self, args: &str) -> Value {
        let ran = self.ran(&format!("{args} --format json"));
        assert_eq!(ran.code, 0, "{ran}");
        serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap()
    }

    /// What is said, without ids and times.
    fn said(&self, args: &str) -> String {
        let url = self.server.map_or("none", |(url, _)| url);
        let said = without_ids(&self.ran(args), url);
        let words = said.split_inclusive(char::is_whitespace).map(|word| {
            let bare = word.trim_end();
            let is_id = bare.len() == 30 && (bare.starts_with("txn_") || bare.starts_with("usr_"));
            if is_id { word.replace(bare, &bare[..4]) } else { word.to_owned() }
        });
        words.collect()
    }
}

/// With a price, so that there is money to move.
fn priced() -> String {
    RENTING.replace("price = {}", r#"price = { currency = "EUR", hourly = "0.010000" }"#)
        + "[offer.large]\nimages = [\"paper\"]\nprice = { currency = \"EUR\", hourly = \"0.020000\" }\n\
           container = { cpu = \"0.2\", memory = \"128MiB\", disk = \"1GiB\" }\n\
           [policy.orders]\napply = \"auto\"\n"
}

#[test]
fn a_command_does_the_same_in_the_database_and_over_http() {
    let shop = Shop::applied(&priced());
    let key = key(&shop, "--platform-admin");
    let serving = Serving::start(&shop);
    let both = [Some((serving.url.as_str(), key.as_str())), None];
    let told = both.map(|server| {
        let asked = Asked { shop: &shop, server };
        let name = if server.is_some() { "globex" } else { "initech" };
        let story = [
            format!("tenant create {name}"),
            format!("ledger credit {name} 5 EUR --memo gift"),
            format!("order place {name}/lobby --offer small --dry-run"),
            format!("order place {name}/lobby --offer small --client-ref x --wait"),
            format!("order place {name}/lobby --offer small"),
            format!("order place {name}/other --offer none"),
            format!("order resize {name}/lobby --offer large"),
            format!("order suspend {name}/lobby --reason abuse --why spam"),
            format!("order resume {name}/lobby --reason abuse"),
            format!("order stop {name}/lobby"),
            format!("order start {name}/lobby"),
            format!("order terminate {name}/lobby"),
            format!("order show {name}/none"),
            format!("ledger refund {name} txn_01ARZ3NDEKTSV4RRFFQ69G5FAV 1 --memo sorry"),
        ];
        let lines = story.iter().map(|args| format!("$ {args}\n{}\n", asked.said(args)));
        let lines = lines.collect::<String>().replace(name, "TENANT");
        // How far the server came meanwhile is its own affair.
        let phases = ["pending", "updating", "provisioning", "active", "suspended", "terminating"];
        let lines = phases.iter().fold(lines, |lines, phase| lines.replace(phase, "PHASE"));
        // A server says which call it was.
        let lines = lines.lines().filter(|line| !line.contains("was answered with"));
        lines
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n")
            .collect::<String>()
    });
    assert_snapshot!(told[0], @"
    $ tenant create TENANT
    TENANT no quota UTC api TENANT
    exit 0
    $ ledger credit TENANT 5 EUR --memo gift
    TENANT EUR 5.000000 left
    exit 0
    $ order place TENANT/lobby --offer small --dry-run
    TENANT/lobby small@c96766e1fbdd EUR 0.010000/h
    exit 0
    $ order place TENANT/lobby --offer small --client-ref x --wait
    ord_ID TENANT/lobby PHASE on small@c96766e1fbdd EUR 0.010000/h
    err| ord_ID placed PHASE
    err| ord_ID begun PHASE
    err| ord_ID settled PHASE
    exit 0
    $ order place TENANT/lobby --offer small
    err| error: the name is taken
    err| caused by: `/name`: `TENANT/lobby` exists already
    exit 1
    $ order place TENANT/other --offer none
    err| error: the input is not valid
    err| caused by: `/offer`: there is no offer `none`
    exit 1
    $ order resize TENANT/lobby --offer large
    ord_ID TENANT/lobby PHASE on large@3d600a41dd4b EUR 0.020000/h
    exit 0
    $ order suspend TENANT/lobby --reason abuse --why spam
    ord_ID TENANT/lobby PHASE on large@3d600a41dd4b EUR 0.020000/h
    exit 0
    $ order resume TENANT/lobby --reason abuse
    ord_ID TENANT/lobby PHASE on large@3d600a41dd4b EUR 0.020000/h
    exit 0
    $ order stop TENANT/lobby
    ord_ID TENANT/lobby PHASE off large@3d600a41dd4b EUR 0.020000/h
    exit 0
    $ order start TENANT/lobby
    ord_ID TENANT/lobby PHASE on large@3d600a41dd4b EUR 0.020000/h
    exit 0
    $ order terminate TENANT/lobby
    ord_ID TENANT/lobby PHASE on large@3d600a41dd4b EUR 0.020000/h
    exit 0
    $ order show TENANT/none
    err| error: there is no order `TENANT/none`
    err| hint: `lessor order list` shows all of them
    exit 1
    $ ledger refund TENANT txn_01ARZ3NDEKTSV4RRFFQ69G5FAV 1 --memo sorry
    err| error: the input is not valid
    err| caused by: `/transaction`: there is no transaction `txn_01ARZ3NDEKTSV4RRFFQ69G5FAV`
    exit 1
    ");
    let [over_http, in_database] = told;
    let hintless = |told: &str| {
        let lines =
            told.lines().filter(|line| !line.contains("hint:") && !line.starts_with("err|"));
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(hintless(&over_http), hintless(&in_database));
}

#[test]
fn what_is_listed_is_the_same_in_the_database_and_over_http() {
    let shop = Shop::applied(&priced());
    assert_eq!(shop.lessor("tenant create globex").code, 0);
    assert_eq!(shop.lessor("user create-admin root@example.net").code, 0);
    assert_eq!(shop.lessor("ledger credit globex 5 EUR --memo gift").code, 0);
    assert_eq!(shop.lessor("order place globex/lobby --offer small --stopped").code, 0);
    let key = key(&shop, "--platform-admin");
    assert_eq!(shop.lessor("apikey create --tenant globex --scope orders:read").code, 0);
    let serving = Serving::start(&shop);
    let there = Asked { shop: &shop, server: Some((&serving.url, &key)) };
    there.ran("order place globex/second --offer small --wait");
    while there.ran("order list --tenant globex").stdout.matches("  active  ").count() < 2 {
        std::thread::sleep(Duration::from_millis(100));
    }
    let here = Asked { shop: &shop, server: None };
    for args in [
        "tenant list",
        "user list",
        "apikey list --tenant globex",
        "order list --tenant globex",
        "order show globex/lobby",
        "ledger list globex",
        "audit list --tenant globex --limit 3",
    ] {
        let (here, there) = (here.ran(args), there.ran(args));
        assert_eq!(here.code, 0, "{args}: {here}");
        // When a key was last used is written later.
        assert_eq!(there.to_string(), here.to_string(), "{args}");
    }
    assert_eq!(here.json("order show globex/lobby"), there.json("order show globex/lobby"));
    let suspended = there.json("user status root@example.net suspended --reason test");
    assert_eq!(suspended["status"], "suspended");
    let made = there.json("apikey create --tenant globex --scope orders:read");
    assert!(made["secret"].as_str().unwrap().starts_with("lsk_"), "{made}");
    let ended = there.ran(&format!("apikey revoke {}", made["id"].as_str().unwrap()));
    assert_eq!(ended.to_string(), "exit 0");
    for args in [
        "user create-admin other@example.net",
        "user role root@example.net none",
        "apikey create --platform auditor",
        "tenant create x --quota small",
        "ledger verify",
        "audit verify",
    ] {
        let ran = there.ran(args);
        assert!(ran.code == 64 && ran.stderr.contains("is not asked of a server"), "{args}: {ran}");
    }
}

#[test]
fn jobs_are_run_and_listed_in_the_database_and_over_http() {
    let shop = Shop::applied(&priced());
    let here = Asked { shop: &shop, server: None };
    assert_snapshot!(here.said("jobs list"), @"exit 0");
    assert_snapshot!(here.said("jobs run ledger"), @"
    0 transactions, 0 wallets
    exit 0
    ");
    assert_snapshot!(here.said("jobs run drift"), @"
    0 missing, 0 changed, 0 left over, 0 unreachable
    exit 0
    ");
    assert_snapshot!(here.said("jobs run everything"), @"
    err| error: invalid value 'everything' for '<JOB>': the jobs are bill, sample, probe, drift, ledger, quota, audit, welcome, forget
    err| 
    err| For more information, try '--help'.
    exit 64
    ");
    let listed = here.json("jobs list drift");
    assert_eq!((&listed["job"], &listed["outcome"]), (&"drift".into(), &"done".into()));

    let key = key(&shop, "--platform-admin");
    let serving = Serving::start(&shop);
    let there = Asked { shop: &shop, server: Some((&serving.url, &key)) };
    assert_snapshot!(there.said("jobs run ledger"), @"
    0 transactions, 0 wallets
    exit 0
    ");
    let ran = there.json("jobs list ledger --limit 1");
    assert!(ran["holder"].as_str().unwrap().starts_with("key_"), "{ran}");
    let listed = there.ran("jobs list ledger --limit 1000");
    assert_eq!(listed.to_string(), here.ran("jobs list ledger --limit 1000").to_string());
}

#[test]
fn one_who_waits_is_told_how_far_an_order_is_and_why_it_is_not_there() {
    let shop = Shop::applied(RENTING);
    // Nobody carries it out.
    let here = Asked { shop: &shop, server: None };
    assert_snapshot!(here.said("order place acme/lobby --offer small --wait --wait-timeout 1s"), @"
    ord_ID  acme/lobby  pending  on  small@15d0b0290d7e  free
    err| ord_ID  placed  pending
    err| error: order `ord_ID` is still pending after 1 s
    err|   hint: it goes on; `lessor order show ord_ID` says how far it is
    exit 5
    ");
    let key = key(&shop, "--platform-admin");
    let serving = Serving::start(&shop);
    let there = Asked { shop: &shop, server: Some((&serving.url, &key)) };
    let late = "order place acme/second --offer small --wait --wait-timeout 1s";
    assert_snapshot!(there.said(late), @"
    ord_ID  acme/second  pending  on  small@15d0b0290d7e  free
    err| ord_ID  placed  pending
    err| error: order `ord_ID` is still pending after 1 s
    err|   hint: it goes on; `lessor order show ord_ID` says how far it is
    exit 5
    ");
    drop(serving);
    let ended = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| here.said("order place acme/third --offer small --wait"));
        while here.ran("order end acme/third").code != 0 {
            std::thread::sleep(Duration::from_millis(50));
        }
        waiting.join().unwrap()
    });
    assert_snapshot!(ended, @"
    ord_ID  acme/third  canceled  on  small@15d0b0290d7e  free
    err| ord_ID  placed  pending
    err| ord_ID  terminated  canceled
    err| error: order `ord_ID` is canceled, and not going to be there
    err|   hint: `lessor order show ord_ID` says what happened
    exit 1
    ");
}

#[test]
fn a_server_that_is_to_end_does_not_wait_for_those_who_follow() {
    let shop = Shop::applied(RENTING);
    let key = key(&shop, "--platform auditor");
    let serving = Serving::start(&shop);
    let mut stream = TcpStream::connect(serving.url.strip_prefix("http://").unwrap()).unwrap();
    write!(stream, "GET /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n")
        .unwrap();
    let mut head = [0; 15];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");

    let begun = Instant::now();
    assert_eq!(serving.end().0, Some(0));

    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "the answer is whole: {rest}");
}
