//! Lives of containers, on a clock that stands still.

use serde_json::{Value, json};

use crate::client::Engine;

#[tokio::test]
async fn a_container_runs_as_long_as_its_program() {
    let engine = Engine::new().await;
    let mut lives = String::new();
    for (name, command) in [
        ("said", &["sh", "-c", "echo a; exit 3"][..]),
        ("slept", &["sleep", "2"]),
        ("stays", &["httpd", "-f"]),
        ("nothing", &["sh"]),
    ] {
        engine.run(name, command, Value::Null).await;
        let before = engine.inspect(name, "/State/Status").await;
        engine.wait(2_000).await;
        let after = engine.inspect(name, "/State/Status").await;
        let code = engine.inspect(name, "/State/ExitCode").await;
        lives.push_str(&format!("{name} {before} {after} {code}\n"));
    }
    insta::assert_snapshot!(lives, @r#"
    said "exited" "exited" 3
    slept "running" "exited" 0
    stays "running" "running" 0
    nothing "exited" "exited" 0
    "#);
}

#[tokio::test]
async fn what_does_not_start_says_why_and_stays_as_it_was() {
    let engine = Engine::new().await;
    let mut said = String::new();
    for (n, (command, more)) in [
        ("nosuch", Value::Null),
        ("/tmp", Value::Null),
        ("/no/such", Value::Null),
        ("sleep", json!({ "User": "steve" })),
        ("sleep", json!({ "HostConfig": { "NetworkMode": "gone" } })),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("web{n}");
        let reply = engine.run(&name, &[command], more).await;
        let status = engine.inspect(&name, "/State/Status").await;
        let code = engine.inspect(&name, "/State/ExitCode").await;
        said.push_str(&format!("{} ({status}, {code})\n", reply.said()));
    }
    insta::assert_snapshot!(said, @r#"
    400 failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "nosuch": executable file not found in $PATH: unknown ("created", 127)
    400 failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/tmp": permission denied: unknown ("created", 126)
    400 failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/no/such": stat /no/such: no such file or directory: unknown ("created", 127)
    500 unable to find user steve: no matching entries in passwd file ("created", 126)
    404 network gone not found ("created", 128)
    "#);
}

#[tokio::test]
async fn a_restart_policy_starts_again_what_ends_until_somebody_stops_it() {
    let engine = Engine::new().await;
    let policy = |name: &str, most: u32| json!({ "HostConfig": { "RestartPolicy": { "Name": name, "MaximumRetryCount": most } } });
    let fails = ["sh", "-c", "echo again; exit 1"];
    engine.run("twice", &fails, policy("on-failure", 2)).await;
    engine.run("always", &["sleep", "1"], policy("always", 0)).await;
    engine.run("never", &fails, policy("no", 0)).await;
    engine.run("fine", &["sh", "-c", "true"], policy("on-failure", 0)).await;
    engine.wait(5_000).await;

    for (name, restarts) in [("twice", 2), ("never", 0), ("fine", 0)] {
        assert_eq!(engine.inspect(name, "/RestartCount").await, restarts, "{name}");
        assert_eq!(engine.inspect(name, "/State/Status").await, "exited", "{name}");
    }
    assert!(engine.inspect("always", "/RestartCount").await.as_u64().unwrap() >= 3);
    engine.post("/containers/always/stop", Value::Null).await;
    engine.wait(600_000).await;
    assert_eq!(engine.inspect("always", "/State/Status").await, "exited");
}

#[tokio::test]
async fn a_trap_ends_a_container_that_is_stopped_and_nothing_else_hears_it() {
    let engine = Engine::new().await;
    let traps = ["sh", "-c", "trap 'echo bye; exit 4' TERM; while :; do sleep 9 & wait; done"];
    engine.run("polite", &traps, Value::Null).await;
    engine.run("deaf", &["sleep", "99"], Value::Null).await;
    for (name, code) in [("polite", 4), ("deaf", 137)] {
        let reply = engine.post(&format!("/containers/{name}/stop?t=1"), Value::Null).await;
        assert_eq!(reply.status, 204);
        assert_eq!(engine.inspect(name, "/State/ExitCode").await, code, "{name}");
        let again = engine.post(&format!("/containers/{name}/stop"), Value::Null).await;
        assert_eq!(again.status, 304);
    }
}

#[tokio::test]
async fn time_stands_still_in_a_paused_container() {
    let engine = Engine::new().await;
    engine.run("web", &["sleep", "5"], Value::Null).await;
    engine.wait(3_000).await;
    engine.post("/containers/web/pause", Value::Null).await;
    engine.wait(60_000).await;
    engine.post("/containers/web/unpause", Value::Null).await;
    engine.wait(1_900).await;
    assert_eq!(engine.inspect("web", "/State/Status").await, "running");
    engine.wait(100).await;
    assert_eq!(engine.inspect("web", "/State/Status").await, "exited");
}

#[tokio::test]
async fn health_is_what_the_probes_say_and_gone_with_the_container() {
    let engine = Engine::new().await;
    let check = |test: &str| {
        json!({ "Healthcheck": {
            "Test": ["CMD-SHELL", test], "Interval": 1_000_000_000, "Retries": 2,
        } })
    };
    engine.run("well", &["sleep", "99"], check("echo fine")).await;
    engine.run("ill", &["sleep", "99"], check("echo no; exit 1")).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let well = engine.inspect("well", "/State/Health/Status").await;
        let ill = engine.inspect("ill", "/State/Health/Status").await;
        seen.push(format!("{well} {ill}"));
        engine.wait(1_000).await;
    }
    let [a, b, c] =
        ["\"starting\" \"starting\"", "\"healthy\" \"starting\"", "\"healthy\" \"unhealthy\""];
    assert_eq!(seen, [a, b, c]);
    assert_eq!(engine.inspect("ill", "/State/Health/Log/0/Output").await, "no\n");
    engine.post("/containers/well/kill", Value::Null).await;
    assert_eq!(engine.inspect("well", "/State/Health/Status").await, "unhealthy");
}

#[tokio::test]
async fn what_is_removed_by_itself_takes_its_nameless_volumes_along() {
    let engine = Engine::new().await;
    let more = json!({ "Volumes": { "/data": {} }, "HostConfig": { "AutoRemove": true } });
    engine.run("brief", &["sleep", "1"], more).await;
    assert_eq!(engine.get("/volumes").await["Volumes"].as_array().unwrap().len(), 1);
    engine.wait(1_000).await;
    assert_eq!(engine.door.ask("GET", "/containers/brief/json", "").await.status, 404);
    assert_eq!(engine.get("/volumes").await["Volumes"], json!([]));
}

#[tokio::test]
async fn limits_are_recorded_and_changed() {
    let engine = Engine::new().await;
    let more = json!({ "HostConfig": { "Memory": 33_554_432, "NanoCpus": 500_000_000 } });
    engine.run("web", &["sleep", "99"], more).await;
    let wish =
        json!({ "Memory": 16_777_216, "PidsLimit": 9, "RestartPolicy": { "Name": "always" } });
    assert_eq!(engine.post("/containers/web/update", wish).await.status, 200);
    let host = engine.inspect("web", "/HostConfig").await;
    let limits = ["Memory", "MemorySwap", "NanoCpus", "PidsLimit"].map(|name| host[name].clone());
    assert_eq!(limits, [16_777_216, 67_108_864, 500_000_000, 9].map(Value::from));
    assert_eq!(host["RestartPolicy"]["Name"], "always");
}
