//! `--server URL`: what customers ordered, from a server that runs, and why one cannot be asked.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use lessor_providers::https::Pin;
use rcgen::{CertificateParams, KeyPair};

use crate::running::Serving;
use crate::support::{Ran, Shop};

/// A free game server for anybody of `acme`, on a pretend host.
pub(crate) const RENTING: &str = r#"
[docker.local]
endpoint = "memory:host.json"
[port_range.games]
docker = "local"
range = "25565-25664"
[bridge.tenants]
docker = "local"
supernet = "10.64.0.0/16"
per_tenant_prefix = 24
[image.paper.container]
ref = "paper:1.21"
data = "/data"
[offer.small]
images = ["paper"]
price = {}
container = { cpu = "0.1", memory = "64MiB", disk = "1GiB", ports = [{ range = "games", container = 25565 }] }
[tenant.acme]
"#;

/// A key as a command makes it, for `LESSOR_API_KEY`.
pub(crate) fn key(shop: &Shop, whose: &str) -> String {
    let made = shop.lessor(&format!("apikey create {whose}"));
    assert_eq!(made.code, 0, "{made}");
    made.stdout.trim().to_owned()
}

/// Runs a command with a key; the server's address is said as `SERVER` in what it says.
fn asked(shop: &Shop, key: &str, url: &str, args: &str) -> String {
    let mut command = shop.command(args);
    command.args(["--server", url]).env("LESSOR_API_KEY", key);
    let ran = shop.ran(&command.output().unwrap());
    assert!(!ran.to_string().contains(key), "{ran}");
    without_ids(&ran, url)
}

pub(crate) fn without_ids(ran: &Ran, url: &str) -> String {
    let text = ran.to_string().replace(url, "SERVER");
    let place = url.split_once("://").map_or(url, |(_, place)| place);
    let text = text.replace(place.split('#').next().unwrap_or_default(), "PLACE");
    let mut masked = String::new();
    for word in text.split_inclusive(['`', ' ', '\n']) {
        let bare = word.trim_end_matches(['`', ' ', '\n']);
        let is_id = bare.len() == 30 && (bare.starts_with("req_") || bare.starts_with("ord_"));
        let id =
            if is_id { word.replacen(bare, &format!("{}ID", &bare[..4]), 1) } else { word.into() };
        masked.push_str(&id);
    }
    masked
}

/// Somebody who gives the same answer to everybody.
fn answering(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn a_checkout_without_the_database_plans_with_the_orders_of_a_server() {
    let shop = Shop::applied(RENTING);
    assert_eq!(shop.lessor("order place acme/lobby --offer small").code, 0);
    let key = key(&shop, "--platform auditor --scope orders:read");
    let serving = Serving::start(&shop);
    let checkout = Shop::new(RENTING);

    let planned = asked(&checkout, &key, &serving.url, "plan --detailed-exitcode");
    assert_snapshot!(planned, @"
    + bridge.tenants/acme                   local     new  order ord_ID  subnet 10.64.0.0/24
    + image.local/paper:1.21                local     new  order ord_ID
    + instance.acme/lobby                   local     new  order ord_ID  port 25565/tcp
    + volume.acme/lobby                     local     new  order ord_ID
    ? order ord_ID            pending, `instance.acme/lobby`
    ? catalogue                                       2 entries are for customers, and nobody here knows what was applied; not compared
          hint: name the database they are served from: `--database URL`
    4 to add, 2 notes. No data is destroyed.
    exit 2
    ");
    // An order that is being carried out is no drift.
    let drifted = asked(&checkout, &key, &serving.url, "drift");
    assert_snapshot!(drifted, @"
    ? order ord_ID            pending, `instance.acme/lobby`
    ? catalogue                                       2 entries are for customers, and nobody here knows what was applied; not compared
          hint: name the database they are served from: `--database URL`
    In sync: nothing is there, as declared; 2 notes.
    exit 0
    ");

    assert_eq!(shop.lessor("apply --yes").code, 0);
    // The server sees that it is there, and then nothing changes any more.
    let begun = Instant::now();
    while !shop.lessor("order list").stdout.contains("  active  ") {
        assert!(begun.elapsed() < Duration::from_mins(2), "{}", shop.lessor("order list"));
        std::thread::sleep(Duration::from_millis(200));
    }
    checkout.write("host.json", shop.read("host.json"));
    let rendered = asked(&checkout, &key, &serving.url, "render --orders -o orders.toml");
    assert_eq!(rendered, "exit 0");
    assert_eq!(checkout.read("orders.toml"), shop.lessor("render --orders").stdout);
    let by_file = checkout.lessor("plan --orders orders.toml --format json").stdout;
    let mut by_server = checkout.command("plan --format json");
    by_server.args(["--server", &serving.url]).env("LESSOR_API_KEY", &key);
    assert_eq!(checkout.ran(&by_server.output().unwrap()).stdout, by_file);
    assert_eq!(checkout.files(), ["host.json", "lessor.toml", "orders.toml", "web.toml"]);
}

#[test]
fn a_key_comes_from_a_variable_or_a_file_and_never_from_the_command_line() {
    let shop = Shop::applied(RENTING);
    let key = key(&shop, "--platform-admin");
    let serving = Serving::start(&shop);
    let url = &serving.url;
    shop.write("lessor.key", format!("{key}\n"));
    let render = |more: &str| {
        let ran = shop.lessor(&format!("render --orders --server {url} {more}"));
        without_ids(&ran, url)
    };

    assert_eq!(
        render("--key secret://file/lessor.key"),
        shop.lessor("render --orders").to_string()
    );
    assert_snapshot!(render(""), @"
    err| error: there is no key to show to the server at `SERVER`
    err|   caused by: the environment variable `LESSOR_API_KEY` is not set
    err|   hint: `lessor apikey create` makes one; put it there, or say with `--key` where it is
    exit 1
    ");
    let told = render(&format!("--key {key}"));
    assert!(!told.contains(&key), "{told}");
    assert_snapshot!(told, @"
    err| error: `--key` names where the key is kept, and is not the key itself
    err|   hint: such as `secret://env/LESSOR_API_KEY` or `secret://file/lessor.key`
    exit 64
    ");
    assert_snapshot!(render("--key secret://file/none"), @"
    err| error: there is no key to show to the server at `SERVER`
    err|   caused by: could not read `none`: No such file or directory (os error 2)
    err|   hint: `lessor apikey create` makes one; put it there, or say with `--key` where it is
    exit 1
    ");
}

#[test]
fn a_server_that_refuses_says_why_and_by_which_request() {
    let shop = Shop::applied(RENTING);
    let serving = Serving::start(&shop);
    assert_eq!(shop.lessor("tenant create globex").code, 0);
    let tenant = key(&shop, "--tenant globex");
    let narrow = key(&shop, "--platform auditor --scope audit:read");

    let unknown = "lsk_0000000000000000000000000000000000000000000";
    assert_snapshot!(asked(&shop, unknown, &serving.url, "plan"), @"
    err| error: the server at `SERVER` does not know the key
    err|   caused by: `GET /v1/orders/export` at `SERVER` was answered with 401, request `req_ID`
    err|   hint: it may have ended, or be of another server; `lessor apikey create` makes one where the database is
    exit 1
    ");
    assert_snapshot!(asked(&shop, &tenant, &serving.url, "plan"), @"
    err| error: the key may not do that: this needs `orders:read` on the platform
    err|   caused by: `GET /v1/orders/export` at `SERVER` was answered with 403, request `req_ID`
    err|   hint: ask with a key of who may: a scope, a role in the tenant, or one on the platform
    exit 1
    ");
    assert_snapshot!(asked(&shop, &narrow, &serving.url, "render --orders"), @"
    err| error: the key may not do that: this key is not for `orders:read`
    err|   caused by: `GET /v1/orders/export` at `SERVER` was answered with 403, request `req_ID`
    err|   hint: ask with a key of who may: a scope, a role in the tenant, or one on the platform
    exit 1
    ");
    // Nobody else reads the key on the way.
    let (code, log) = serving.end();
    assert!(code == Some(0) && !log.contains(&tenant), "{log}");
}

#[test]
fn whatever_else_answers_is_told_from_a_server_of_this_version() {
    let shop = Shop::applied(RENTING);
    let at = |address: SocketAddr| asked(&shop, "lsk_x", &format!("http://{address}"), "plan");

    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi";
    assert_snapshot!(at(answering(page)), @"
    err| error: what answers at `SERVER` is no lessor
    err|   caused by: `GET /v1/orders/export` at `SERVER` was answered with 200, `text/html`
    err|   hint: check the host and the port behind `--server`
    exit 1
    ");
    let old = "HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\nconnection: close\r\n\r\n\
               {\"info\": {\"title\": \"lessor\", \"version\": \"0.0.1\"}, \"paths\": {}}";
    assert_snapshot!(at(answering(old)), @"
    err| error: the server at `SERVER` has no call `GET /v1/orders/export`
    err|   caused by: it is lessor 0.0.1, and this is lessor 0.1.0
    err|   hint: use the same version here and there
    exit 1
    ");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_snapshot!(at(closed), @"
    err| error: could not ask the server at `SERVER`
    err|   caused by: nobody listens at `PLACE`: connection refused
    err|   hint: see that `lessor serve` runs there, and check the host and the port behind `--server`
    exit 1
    ");
    let garbled = "HTTP/1.1 200 OK\r\ncontent-type: application/toml\r\nconnection: close\r\n\r\n[orders]\nx = 1\n";
    assert_snapshot!(at(answering(garbled)), @"
    err| error[E0509]: unknown field `orders`, expected one of `format`, `tenant`, `image`, `offer`, `order`, `ended`
    err|  --> SERVER:1:2
    err|   |
    err| 1 | [orders]
    err|   |  ^^^^^^
    err|   |
    err|   = hint: let `lessor render --orders` write it again
    err| error: what customers ordered has 1 problem; nothing was done
    exit 1
    ");
}

#[test]
fn keys_do_not_pass_over_a_network_for_all_to_read() {
    let shop = Shop::applied(RENTING);
    let plan = |url: &str, more: &str| asked(&shop, "lsk_x", url, &format!("plan {more}"));

    assert_snapshot!(plan("http://192.0.2.1:8080", ""), @"
    err| error: `192.0.2.1` is another machine, and `http://` shows everybody the key
    err|   hint: name it with `https://`; or say `--plain-http` where nobody else can listen
    exit 64
    ");
    assert_snapshot!(plan("ftp://api.test", ""), @"
    err| error: the address behind `--server` cannot be used
    err|   caused by: `SERVER` is no endpoint: it begins with `https://`
    err|   hint: it is `https://HOST:PORT`, or `http://` on this machine
    exit 64
    ");
    assert_snapshot!(plan("https://user:sesame@api.test", ""), @"
    err| error: the address behind `--server` cannot be used
    err|   caused by: an endpoint holds no user and no password
    err|   hint: it is `https://HOST:PORT`, or `http://` on this machine
    exit 64
    ");
    assert_snapshot!(plan("https://api.test#sha256:00", ""), @"
    err| error: the address behind `--server` cannot be used
    err|   caused by: `sha256:00` is no SHA-256 fingerprint of a certificate: 32 bytes in hex, such as `4A:8E:…`
    err|   hint: it ends with `#sha256:…`
    exit 64
    ");
    assert_snapshot!(plan("https://api.test", "--server-ca none.pem"), @"
    err| error: the address behind `--server` cannot be used
    err|   caused by: `none.pem` cannot be read: No such file or directory (os error 2)
    err|   hint: it is `https://HOST:PORT`, or `http://` on this machine
    exit 64
    ");
    assert_snapshot!(plan("https://api.test", "--orders orders.toml"), @"
    err| error: the argument '--orders <FILE>' cannot be used with '--server <URL>'
    err| 
    err| Usage: lessor plan --orders <FILE> [DIR]
    err| 
    err| For more information, try '--help'.
    exit 64
    ");
    // Said, it is tried; the name leads nowhere.
    assert_snapshot!(plan("http://nowhere.invalid", "--plain-http"), @"
    err| error: could not ask the server at `SERVER`
    err|   caused by: the name of `PLACE:80` was not resolved: failed to lookup address information: Name or service not known
    err|   hint: check the host behind `--server`
    exit 1
    ");
}

#[test]
fn a_server_behind_tls_is_believed_by_its_certificate_or_who_vouches_for_it() {
    let shop = Shop::applied(RENTING);
    let key = key(&shop, "--platform-admin");
    let pair = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&pair).unwrap();
    shop.write("cert.pem", certificate.pem());
    shop.write("key.pem", pair.serialize_pem());
    let serving = Serving::with(&shop, "--tls-cert cert.pem --tls-key key.pem");
    let url = serving.url.clone();
    let render =
        |url: &str, more: &str| asked(&shop, &key, url, &format!("render --orders {more}"));

    let orders = shop.lessor("render --orders").to_string();
    let pinned =
        format!("{url}#sha256:{}", Pin::of(certificate.der()).to_string().replace(':', ""));
    assert_eq!(render(&pinned, ""), orders);
    assert_eq!(render(&url, "--server-ca cert.pem"), orders);
    assert_snapshot!(render(&url, ""), @"
    err| error: could not ask the server at `SERVER`
    err|   caused by: nobody trusted vouches for `PLACE`: its certificate is signed by somebody else
    err|   hint: name the file of who vouches for it with `--server-ca`, or put the certificate's `#sha256:…` behind `--server`
    exit 1
    ");
    let other = format!("{url}#{}", Pin::of(b"another"));
    let refused = render(&other, "").replace(&Pin::of(certificate.der()).to_string(), "FOUND");
    assert_snapshot!(refused, @"
    err| error: could not ask the server at `https://PLACE`
    err|   caused by: `PLACE` shows the certificate FOUND, and AE:44:8A:C8:6C:4E:8E:4D:EC:64:57:29:70:8E:F4:18:73:AE:79:C6:DF:F8:4E:FF:73:36:09:89:48:7F:08:E5 is pinned
    err|   hint: look at the certificate at the server itself; put `#sha256:FOUND` behind `--server` only if it is that one, or else somebody listens in
    exit 1
    ");
    assert_snapshot!(render(&url.replace("https", "http"), ""), @"
    err| error: could not ask the server at `SERVER`
    err|   caused by: the connection to `PLACE` broke: invalid HTTP version parsed
    err|   hint: try again in a moment
    exit 1
    ");
}
