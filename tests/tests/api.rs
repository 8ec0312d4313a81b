//! The API as Schemathesis finds it, which makes calls out of the description: what fits it and what
//! does not.

use std::fs;
use std::time::Duration;

use lessor_tests::clients::program;
use lessor_tests::serving::{Client, Shop, until};
use serde_json::{Value, json};

/// How many calls are made up for each operation, beside those that follow from the description.
const EXAMPLES: &str = "12";

/// The same calls in every run.
const SEED: &str = "1";

const SPECS: &str = r#"
[docker.par1]
endpoint = "memory:host.json"
location = "par1"
[location.par1]
country = "FR"
[image.paper.container]
ref = "paper:1"
[bridge.tenants]
docker = "par1"
supernet = "10.64.0.0/16"
per_tenant_prefix = 24
[offer.small]
images = ["paper"]
locations = ["par1"]
price = { currency = "EUR", hourly = "0.014900" }
container = { cpu = "0.1", memory = "64MiB", disk = "1GiB" }
[tenant.acme]
[policy.signup]
open = true
[policy.orders]
apply = "auto"
"#;

/// What is held against what it says of itself: no failure of ours, nothing but what is described,
/// nothing taken that the description forbids, and nothing without a caller.
///
/// Left out are two. A description cannot say everything that is asked of input, so what fits it may
/// well be refused. And what was ended is still there to be looked at: an order, an account.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,\
                      negative_data_rejection,missing_required_header,unsupported_method,\
                      allow_header_conformance,ensure_resource_availability,ignored_auth";

/// Names of what is there, so that calls get as far as that. A version that moved, and a version
/// that is not said, are refused before the body is read.
fn configured(order: &str, user: &str) -> String {
    format!(
        r#"[parameters]
"path.tenant" = "acme"
"path.order" = "{order}"
"path.instance" = "{order}"
"path.user" = "{user}"
"path.offer" = "small"
"path.slug" = "invalid"
"path.name" = "docs.js"
"path.reason" = "abuse"
"path.job" = "ledger"
"query.follow" = "0"
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 428]
[checks.missing_required_header]
expected-statuses = [400, 401, 403, 404, 422, 428]
"#
    )
}

#[test]
fn the_api_is_what_it_says_of_itself() {
    let shop = Shop::open(SPECS, None);
    let serving = shop.serve();
    let mut client = shop.client(&serving);
    client.pay("acme", "100");
    let placed = client.order("acme", "lobby", "small").unwrap();
    let order = placed.body["id"].as_str().unwrap().to_owned();
    until("the order runs", Duration::from_secs(30), || phase(&mut client, &order) == "active");
    let account = json!({ "email": "alice@example.net", "password": "correct horse battery" });
    let user = client.call(("POST", "/v1/users"), &[], Some(&account)).unwrap().body;
    fs::write(
        shop.path().join("schemathesis.toml"),
        configured(&order, user["id"].as_str().unwrap()),
    )
    .unwrap();

    let said = program("schemathesis")
        .current_dir(shop.path())
        .args(["run", &format!("http://{}/v1/openapi.json", serving.address())])
        .args(["--header", &format!("Authorization: Bearer {}", shop.key())])
        .args(["--checks", CHECKS, "--max-examples", EXAMPLES, "--seed", SEED])
        .args(["--no-color", "--warnings", "off", "--continue-on-failure"])
        .output()
        .unwrap();

    let (out, log) = (String::from_utf8_lossy(&said.stdout), serving.log());
    assert!(said.status.success(), "{out}\n{}", String::from_utf8_lossy(&said.stderr));
    // It called, and called everything.
    let listed = shop.client(&serving).get("/v1/openapi.json");
    let operations = listed["paths"].as_object().unwrap().values();
    let operations: usize = operations.map(|path| path.as_object().unwrap().len()).sum();
    assert!(out.contains(&format!("Tested: {operations}")), "{out}");
    assert!(log.lines().count() > 1_000, "{out}");
    // Whatever was tried, the money is right, and who is called what stays out of the log.
    shop.lessor(&["ledger", "verify"]).expect(0);
    assert!(!log.contains("alice@") && !log.contains("panicked"), "{log}");
}

fn phase(client: &mut Client, order: &str) -> Value {
    client.get(&format!("/v1/orders/{order}"))["phase"].clone()
}
