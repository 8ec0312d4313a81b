//! Networks, ports, volumes and images; what is kept, and what goes wrong.

use lessor_sandbox::System as _;
use serde_json::{Value, json};

use crate::client::Engine;

fn published(port: &str) -> Value {
    json!({
        "ExposedPorts": { "80/tcp": {} },
        "HostConfig": { "PortBindings": { "80/tcp": [{ "HostPort": port }] } },
    })
}

#[tokio::test]
async fn addresses_are_given_out_lowest_first_and_taken_back() {
    let engine = Engine::new().await;
    let subnet = json!({ "Name": "front", "IPAM": { "Config": [{ "Subnet": "10.9.8.0/29" }] } });
    assert_eq!(engine.post("/networks/create", subnet).await.status, 201);
    let joins = json!({ "HostConfig": { "NetworkMode": "front" } });
    for n in 0..5 {
        engine.run(&format!("web{n}"), &["sleep", "9"], joins.clone()).await;
    }
    let at = "/NetworkSettings/Networks/front/IPAddress";
    assert_eq!(engine.inspect("web0", at).await, "10.9.8.2");
    assert_eq!(engine.inspect("web4", at).await, "10.9.8.6");
    let full = engine.run("web5", &["sleep", "9"], joins.clone()).await;
    assert_eq!(full.status, 403, "{}", full.text());

    engine.post("/containers/web2/kill", Value::Null).await;
    assert_eq!(engine.inspect("web2", at).await, "");
    engine.post("/containers/web5/start", Value::Null).await;
    assert_eq!(engine.inspect("web5", at).await, "10.9.8.4");
}

#[tokio::test]
async fn subnets_nobody_chose_do_not_overlap() {
    let engine = Engine::new().await;
    let mut subnets = Vec::new();
    for n in 0..20 {
        engine.post("/networks/create", json!({ "Name": format!("n{n}") })).await;
        let network = engine.get(&format!("/networks/n{n}")).await;
        subnets.push(network["IPAM"]["Config"][0]["Subnet"].as_str().unwrap().to_owned());
    }
    assert_eq!(subnets[0], "172.18.0.0/16");
    assert_eq!(subnets[14..16], ["192.168.0.0/20", "192.168.16.0/20"]);
    let all: std::collections::BTreeSet<_> = subnets.iter().collect();
    assert_eq!(all.len(), subnets.len());
}

#[tokio::test]
async fn a_port_is_had_by_one_and_any_port_is_a_free_one() {
    let engine = Engine::new().await;
    assert_eq!(engine.run("one", &["sleep", "9"], published("25565")).await.status, 204);
    let taken = engine.run("two", &["sleep", "9"], published("25565")).await.said();
    assert!(taken.starts_with("500 driver failed programming external connectivity"), "{taken}");
    assert!(taken.ends_with("Bind for 0.0.0.0:25565 failed: port is already allocated"), "{taken}");
    for (name, port) in [("three", "32768"), ("four", "32769")] {
        engine.run(name, &["sleep", "9"], published("")).await;
        let at = "/NetworkSettings/Ports/80~1tcp/0/HostPort";
        assert_eq!(engine.inspect(name, at).await, port);
    }
    engine.delete("/containers/one?force=1").await;
    assert_eq!(engine.post("/containers/two/start", Value::Null).await.status, 204);
}

#[tokio::test]
async fn an_image_is_pulled_where_a_registry_has_it() {
    let engine = Engine::new().await;
    let mut told = String::new();
    for reference in [
        "games.example/mc:1.21",
        "nginx:1.27",
        "games.example/missing:1",
        "nobody/has",
        "localhost:5000/x",
    ] {
        let (name, tag) = reference
            .rsplit_once(':')
            .filter(|(_, tag)| !tag.contains('/'))
            .unwrap_or((reference, "latest"));
        let path = format!("/images/create?fromImage={name}&tag={tag}");
        let reply = engine.post(&path, Value::Null).await;
        let last = reply.text().lines().last().unwrap_or_default().to_owned();
        let there = engine.door.ask("GET", &format!("/images/{reference}/json"), "").await.status;
        told.push_str(&format!("{reference} {} {there} {last}\n", reply.status));
    }
    insta::assert_snapshot!(told, @r#"
    games.example/mc:1.21 200 200 {"status":"Status: Downloaded newer image for games.example/mc:1.21"}
    nginx:1.27 200 200 {"status":"Status: Downloaded newer image for nginx:1.27"}
    games.example/missing:1 404 404 {"message":"manifest for games.example/missing:1 not found: manifest unknown: manifest unknown"}
    nobody/has 404 404 {"message":"pull access denied for nobody/has, repository does not exist or may require 'docker login': denied: requested access to the resource is denied"}
    localhost:5000/x 500 404 {"message":"Get \"http://localhost:5000/v2/\": dial tcp 127.0.0.1:5000: connect: connection refused"}
    "#);
    engine.post("/containers/create?name=mc", json!({ "Image": "games.example/mc:1.21" })).await;
    let used = engine.delete("/images/games.example/mc:1.21").await;
    assert_eq!(used.status, 409, "{}", used.text());
    assert_eq!(engine.delete("/images/nginx:1.27").await.status, 200);
}

#[tokio::test]
async fn an_engine_goes_on_from_what_another_knew() {
    let engine = Engine::new().await;
    engine.run("web", &["sleep", "60"], published("8080")).await;
    engine.post("/volumes/create", json!({ "Name": "data" })).await;
    let state = engine.docker.dump().await;

    let other = Engine::new().await;
    other.docker.load(state.clone()).await.unwrap();
    assert_eq!(other.inspect("web", "/State/Status").await, "running");
    assert_eq!(other.docker.dump().await, state);
    other.wait(60_000).await;
    assert_eq!(other.inspect("web", "/State/Status").await, "exited");

    assert!(other.docker.load(json!({ "containers": 3 })).await.is_err());
    assert_eq!(other.inspect("web", "/State/Status").await, "exited");
}

#[tokio::test]
async fn the_same_seed_gives_the_same_engine() {
    let run = async || {
        let engine = Engine::new().await;
        engine.run("web", &["echo", "x"], Value::Null).await;
        engine.post("/networks/create", json!({ "Name": "front" })).await;
        engine.docker.dump().await
    };
    assert_eq!(run().await, run().await);
}

#[tokio::test]
async fn every_version_up_to_ours_is_spoken_and_no_other() {
    let engine = Engine::new().await;
    for (path, status) in [
        ("/info", 200),
        ("/v1.12/info", 200),
        ("/v1.24/info", 200),
        ("/v1.41/info", 200),
        ("/v1.42/info", 400),
        ("/v1.11/info", 400),
        ("/vx/info", 404),
    ] {
        assert_eq!(engine.door.ask("GET", path, "").await.status, status, "{path}");
    }
    let newer = engine.door.ask("GET", "/v1.99/info", "").await.said();
    assert_eq!(newer, "400 client version 1.99 is too new. Maximum supported API version is 1.41");
}

#[tokio::test]
async fn faults_hit_it_as_they_hit_the_others() {
    let engine = Engine::new().await;
    for name in ["a1", "a2", "a3", "a4"] {
        engine.post("/volumes/create", json!({ "Name": name })).await;
    }
    engine.weather.set_faults(vec!["partial".parse().unwrap()]);
    assert_eq!(engine.get("/volumes").await["Volumes"].as_array().unwrap().len(), 2);
    engine.weather.set_faults(vec!["status:503".parse().unwrap()]);
    assert_eq!(engine.post("/volumes/create", json!({ "Name": "a5" })).await.status, 503);
    engine.weather.set_faults(Vec::new());
    assert_eq!(engine.get("/volumes").await["Volumes"].as_array().unwrap().len(), 4);
}
