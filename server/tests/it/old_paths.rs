//! Paths that clients of earlier systems call.

use insta::{allow_duplicates, assert_snapshot};
use lessor_plans::{Node, Taken, Template};
use lessor_specs::ByteSize;
use lessor_store::PlatformRole;
use serde_json::{Value, json};

use crate::fixture::{BACKENDS, Backend, Credential, Server};

/// Machines of any size in one place.
const MACHINES: &str = r#"
[location.ams1]
country = "NL"
city = "Amsterdam"
[proxmox.ams]
endpoint = "https://pve.example.net:8006"
token = "secret://env/PVE"
location = "ams1"
nodes = ["n1"]
storage = "ceph"
vmid_range = "20000-29999"
[pfsense.edge]
endpoint = "https://fw.example.net"
api_key = "secret://env/PF"
location = "ams1"
[vlan_range.customers]
ids = "2100-2999"
proxmox = "ams"
bridge = "vmbr1"
pfsense = "edge"
parent = "igb1"
supernet = "10.100.0.0/16"
per_tenant_prefix = 28
[image.ubuntu.vm]
template = { ams = 9001 }
cloud_init = true
[offer.vps]
images = ["ubuntu"]
locations = ["ams1"]
price = { currency = "EUR" }
[offer.vps.vm]
cpu = { min = 1, max = 8, step = 1, hourly = "0.004000" }
memory = { min = "1GiB", max = "32GiB", step = "1GiB", hourly = "0.002000" }
disk = { min = "10GiB", max = "100GiB", step = "10GiB", hourly = "0.000100" }
[policy.signup]
open = true
"#;

/// A container for whoever signs up.
const CONTAINERS: &str = r#"
[docker.lab]
endpoint = "memory:host.json"
[port_range.users]
docker = "lab"
range = "42000-42001"
[bridge.users]
docker = "lab"
supernet = "10.72.0.0/16"
per_tenant_prefix = 29
[image.app.container]
ref = "app:1"
[offer.user-container]
images = ["app"]
price = {}
[offer.user-container.container]
cpu = "1"
memory = "128MiB"
ports = [{ range = "users", container = 8000 }]
[policy.signup]
open = true
order = "user-container"
"#;

/// Machines that are registered by calls.
const LAB: &str = r#"
[pool.metal]
access = "ssh"
[offer.lab]
price = {}
[offer.lab.machine]
pools = ["metal"]
[policy.signup]
open = true
"#;

async fn machines(backend: Backend) -> Server {
    let server = Server::new(backend).await;
    server.apply(MACHINES).await;
    let node = Node {
        name: "n1".into(),
        online: true,
        cores: 64,
        memory: "256GiB".parse().unwrap(),
        strange_cores: 0,
        strange_memory: ByteSize::from_bytes(0),
    };
    let disk = "10GiB".parse().unwrap();
    let template = Template { node: "n1".into(), shared: true, lxc: false, disk };
    let taken =
        Taken { strangers: Vec::new(), nodes: vec![node], templates: [(9001, template)].into() };
    server.store().taken_write(&"proxmox.ams".parse().unwrap(), &taken).await.unwrap();
    server
}

impl Server {
    async fn told(
        &self,
        who: &Credential,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> String {
        self.call(who, method, path, body).await.shown()
    }
}

#[tokio::test]
async fn a_client_of_a_provider_of_machines_looks_reckons_and_orders() {
    for backend in BACKENDS {
        let server = machines(backend).await;
        let alice = server.person("alice").await;
        let made = server.call(&alice, "POST", "/v1/tenants", Some(json!({ "id": "acme" }))).await;
        assert_eq!(made.status, 201);
        server.pay("acme", "10").await;
        let machine = json!({ "country": "ams1", "os": "ubuntu", "cpu": 2, "ram": 4, "ssd": 20 });
        let mut told = Vec::new();
        for path in ["/countries", "/osystems", "/parametrs", "/get_balance"] {
            told.push(server.told(&alice, "GET", path, None).await);
        }
        let price = server.call(&alice, "POST", "/calc_price", Some(machine.clone())).await;
        let version = price.body["offer"].as_str().unwrap().to_owned();
        told.push(price.shown());
        let large = json!({ "os": "ubuntu", "cpu": 9 });
        told.push(server.told(&alice, "POST", "/calc_price", Some(large)).await);
        let mut named = machine.clone();
        named["name"] = json!("web");
        let ordered = server.call(&alice, "POST", "/create_machine", Some(named)).await;
        let id = ordered.body["id"].as_str().unwrap().to_owned();
        told.push(ordered.shown().replace(&id, "ord_1"));
        told.push(server.told(&alice, "GET", "/get_balance?tenant=acme", None).await);
        allow_duplicates!(assert_snapshot!(told.join("\n"), @r#"
        200 [{"city":"Amsterdam","country":"NL","id":"ams1"}]
        200 [{"id":"ubuntu","name":"ubuntu"}]
        200 [{"countries":["ams1"],"cpu":{"max":8,"min":1,"price_hour":"0.004000","step":1},"currency":"EUR","offer":"vps","osystems":["ubuntu"],"ram":{"max":32,"min":1,"price_hour":"0.002000","step":1},"ssd":{"max":100,"min":10,"price_hour":"0.000100","step":10}}]
        200 {"balance":"10.000000","currency":"EUR"}
        200 {"currency":"EUR","offer":"vps","price_hour":"0.018000","price_month":"13.140000"}
        422 {"errors":[{"detail":"no offer has such a machine; `GET /parametrs` says what can be chosen","pointer":""}],"status":422,"title":"the input is not valid","type":"/problems/invalid"}
        201 {"id":"ord_1","name":"web","status":"creating"}
        200 {"balance":"9.982000","currency":"EUR"}
        "#));
        assert_eq!(version, "vps");
        let order = server.store().order_show(&id).await.unwrap().unwrap();
        assert_eq!(order.full_name(), "acme/web");
        let unnamed = server.call(&alice, "POST", "/create_machine", Some(machine.clone())).await;
        assert_eq!(unnamed.status, 201, "{unnamed:?}");
        let keyed = async |key: &str, body: &Value| {
            let (headers, body) = ([("idempotency-key", key)], Some(body.clone()));
            server.call_with(&alice, "POST", "/create_machine", &headers, body).await
        };
        let (first, again) = (keyed("k-1", &machine).await, keyed("k-1", &machine).await);
        assert_eq!((first.status.as_u16(), &first.body["id"]), (201, &again.body["id"]));
        assert_ne!(first.body["id"], unnamed.body["id"]);
        let other = json!({ "os": "ubuntu", "cpu": 1 });
        assert_eq!(keyed("k-1", &other).await.body["type"], "/problems/key-reused");
        assert_eq!(keyed("", &machine).await.status, 422);
    }
}

#[tokio::test]
async fn a_user_is_provisioned_once_with_a_container_and_a_port() {
    for backend in BACKENDS {
        let server = Server::new(backend).await;
        server.apply(CONTAINERS).await;
        let admin = server.platform(PlatformRole::Admin).await;
        let provision = |name: &str, email: &str| {
            let body = json!({ "username": name, "email": email });
            let (server, admin) = (&server, &admin);
            async move { server.call(admin, "POST", "/api/provision", Some(body)).await }
        };
        let first = provision("mia", "mia@example.net").await;
        let again = provision("mia", "mia@example.net").await;
        let other = provision("mia", "eve@example.net").await;
        provision("noah", "noah@example.net").await;
        let third = provision("zoe", "zoe@example.net").await;

        assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 200));
        assert_eq!(first.body["container"], again.body["container"]);
        let id = first.body["container"].as_str().unwrap();
        let mut told = vec![first.shown().replace(id, "ord_1"), other.shown(), third.shown()];
        for path in ["/api/user/mia/port", "/api/user/zoe/port", "/api/admin/stats"] {
            told.push(server.told(&admin, "GET", path, None).await);
        }
        allow_duplicates!(assert_snapshot!(told.join("\n"), @r#"
        201 {"container":"ord_1","port":42000,"status":"creating","username":"mia"}
        409 {"errors":[{"detail":"it is taken","pointer":"/username"}],"status":409,"title":"the name is taken","type":"/problems/name-taken"}
        201 {"container":null,"port":null,"status":"waiting","username":"zoe"}
        200 {"port":42000,"username":"mia"}
        200 {"port":null,"username":"zoe"}
        200 {"active":0,"containers":2,"orders":{"pending":2},"tenants":3,"users":3}
        "#));
    }
}

#[tokio::test]
async fn a_client_of_a_lab_registers_looks_and_is_told_where_to_go_instead_of_changing_by_a_get() {
    for backend in BACKENDS {
        let server = Server::new(backend).await;
        server.apply(LAB).await;
        let admin = server.platform(PlatformRole::Admin).await;
        let alice = server.person("alice").await;
        let key = "SHA256:uNiVztksCsDhcc0u9e8BrrQXVUDcEjQ6vNVzQ5e6PGA";
        let machine = json!({ "name": "metal-1", "host": "192.0.2.1", "password": "hunter2" });
        let mut known = machine.clone();
        known["host_key"] = json!(key);
        let mut elsewhere = known.clone();
        elsewhere["pool"] = json!("wood");
        // Nobody listens there.
        let silent = json!({ "name": "m", "host": "127.0.0.1", "port": 1, "password": "x" });
        let mut told = Vec::new();
        for (who, body) in [(&alice, &known), (&admin, &elsewhere), (&admin, &silent)] {
            told.push(server.told(who, "POST", "/machines", Some(body.clone())).await);
        }
        let nameless = json!({ "name": "-", "host": "192.0.2.1", "password": "hunter2" });
        told.push(server.told(&admin, "POST", "/machines", Some(nameless)).await);
        // Once it is known by a key, nobody asks for another one.
        for body in [known, machine] {
            told.push(server.told(&admin, "POST", "/machines", Some(body)).await);
        }
        for (who, path) in [
            (&admin, "/machines"),
            (&alice, "/machines"),
            (&alice, "/available"),
            (&admin, "/reservations"),
            (&alice, "/reservations"),
        ] {
            told.push(server.told(who, "GET", path, None).await);
        }
        for path in ["/machines/metal-1", "/machines/metal-1"] {
            told.push(server.told(&admin, "DELETE", path, None).await);
        }
        for path in ["/reserve?minutes=60", "/release_all"] {
            let answer = server.call(&alice, "GET", path, None).await;
            let (allow, link) = (answer.header("allow"), answer.header("link"));
            told.push(format!("{} allow: {allow:?} link: {link}", answer.shown()));
        }
        allow_duplicates!(assert_snapshot!(told.join("\n"), @r#"
        403 {"detail":"this needs `pools:write` on the platform","status":403,"title":"this caller may not do that","type":"/problems/forbidden"}
        422 {"errors":[{"detail":"expected the name of a pool whose machines are entered by ssh","pointer":"/pool"}],"status":422,"title":"the input is not valid","type":"/problems/invalid"}
        422 {"errors":[{"detail":"it shows no key: no ssh with `127.0.0.1:1`: Connection refused (os error 111)","pointer":"/host"}],"status":422,"title":"the input is not valid","type":"/problems/invalid"}
        422 {"errors":[{"detail":"a name begins and ends with a letter or digit, found `-`","pointer":"/name"}],"status":422,"title":"the input is not valid","type":"/problems/invalid"}
        201 {"host_key":"SHA256:uNiVztksCsDhcc0u9e8BrrQXVUDcEjQ6vNVzQ5e6PGA","name":"metal-1","pool":"metal","status":"quarantined"}
        201 {"host_key":"SHA256:uNiVztksCsDhcc0u9e8BrrQXVUDcEjQ6vNVzQ5e6PGA","name":"metal-1","pool":"metal","status":"quarantined"}
        200 [{"host":"192.0.2.1","name":"metal-1","pool":"metal","port":22,"status":"quarantined","user":"root"}]
        403 {"detail":"this needs `pools:read` on the platform","status":403,"title":"this caller may not do that","type":"/problems/forbidden"}
        200 []
        200 []
        422 {"errors":[{"detail":"expected the name of a tenant","parameter":"tenant"}],"status":422,"title":"the input is not valid","type":"/problems/invalid"}
        200 {"name":"metal-1","status":"deleted"}
        404 {"status":404,"title":"there is nothing here","type":"/problems/not-found"}
        405 {"detail":"a GET changes nothing; call `POST /v1/pools/{pool}/reservations`","status":405,"title":"this cannot be done here","type":"/problems/method-not-allowed"} allow: "" link: </v1/pools/metal/reservations>; rel="successor-version"
        405 {"detail":"a GET changes nothing; call `POST /v1/pools/{pool}/actions`","status":405,"title":"this cannot be done here","type":"/problems/method-not-allowed"} allow: "" link: </v1/pools/metal/actions>; rel="successor-version"
        "#));
    }
}
