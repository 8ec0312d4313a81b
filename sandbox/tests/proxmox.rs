//! What the recordings cannot show: more than one node, a clock that is moved, a world that is
//! written down.

#![expect(clippy::panic, clippy::unwrap_used, reason = "what helps a test may do what a test may")]

use std::io::Read as _;

use flate2::read::GzDecoder;
use lessor_sandbox::http::{Answer, Outcome, Request, Site as _};
use lessor_sandbox::proxmox::{Installation, Pace, Proxmox, World};
use serde_json::{Value, json};

/// A cluster, and a token of `root@pam`.
struct Cluster {
    proxmox: Proxmox,
    secret: String,
}

impl Cluster {
    fn of(nodes: &[&str]) -> Cluster {
        let installation = Installation {
            nodes: nodes.iter().map(ToString::to_string).collect(),
            password: "testpass123".into(),
            fingerprint: "AA:BB".into(),
            seed: 1,
            pace: Pace { refusal_ms: 0, ..Pace::default() },
            whole_host: true,
        };
        let mut world = World::installed(&installation);
        world.clock.stands_at_ms = Some(1_800_000_000_000);
        let proxmox = Proxmox::new(world);
        let secret = proxmox.add_token("root@pam", "t");
        Cluster { proxmox, secret }
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        self.ask_with(method, path, body, &[]).await
    }

    async fn ask_with(
        &self,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let authorization = format!("PVEAPIToken=root@pam!t={}", self.secret);
        let request = Request {
            method: method.into(),
            path: format!("/api2/json{path}"),
            headers: headers.chain([("Authorization".into(), authorization)]).collect(),
            body: body.into(),
            ..Request::default()
        };
        match self.proxmox.answer(request).await {
            Outcome::Answered(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    async fn data(&self, method: &str, path: &str, body: &str) -> Value {
        let answer = self.ask(method, path, body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.reason);
        serde_json::from_slice::<Value>(&answer.body).unwrap()["data"].clone()
    }

    /// How a task ends that a call begins.
    async fn done(&self, method: &str, path: &str, body: &str) -> String {
        let upid = self.data(method, path, body).await;
        self.wait(10_000);
        let upid = upid.as_str().unwrap();
        let node = upid.split(':').nth(1).unwrap();
        let status = self.data("GET", &format!("/nodes/{node}/tasks/{upid}/status"), "").await;
        status["exitstatus"].as_str().unwrap().to_owned()
    }

    /// Moves the clock.
    fn wait(&self, ms: i64) {
        let mut world = self.proxmox.world();
        world.clock.ahead_ms += ms;
        self.proxmox.replace(world);
    }
}

#[tokio::test]
async fn a_task_ends_when_its_time_has_come_and_not_before() {
    let cluster = Cluster::of(&["pve1"]);
    let upid = cluster.data("POST", "/nodes/pve1/qemu", "vmid=100").await;
    let path = format!("/nodes/pve1/tasks/{}/status", upid.as_str().unwrap());

    let locked = cluster.data("GET", "/nodes/pve1/qemu/100/config", "").await["lock"].clone();
    let before = cluster.data("GET", &path, "").await["status"].clone();
    cluster.wait(700);
    let after = cluster.data("GET", &path, "").await["exitstatus"].clone();

    assert_eq!([locked, before, after], ["create", "running", "OK"]);
}

#[tokio::test]
async fn tasks_about_one_guest_wait_for_each_other_and_give_up() {
    let cluster = Cluster::of(&["pve1"]);
    cluster.data("POST", "/nodes/pve1/qemu", "vmid=100&name=deaf").await;
    cluster.wait(1_000);
    cluster.data("POST", "/nodes/pve1/qemu/100/status/start", "").await;
    cluster.wait(1_000);
    cluster.data("POST", "/nodes/pve1/qemu/100/status/shutdown", "timeout=60").await;
    let stop = cluster.data("POST", "/nodes/pve1/qemu/100/status/stop", "").await;
    cluster.wait(11_000);

    let path = format!("/nodes/pve1/tasks/{}/status", stop.as_str().unwrap());
    assert_eq!(
        cluster.data("GET", &path, "").await["exitstatus"],
        "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout"
    );
}

#[tokio::test]
async fn any_node_answers_for_the_others_and_ids_are_taken_on_all() {
    let cluster = Cluster::of(&["a", "b"]);
    cluster.data("POST", "/nodes/b/qemu", "vmid=100&scsi0=local:1").await;
    cluster.wait(1_000);

    let elsewhere = cluster.ask("GET", "/nodes/a/qemu/100/config", "").await.reason;
    let taken = cluster.ask("POST", "/nodes/a/qemu", "vmid=100").await.reason;
    let volumes = |node: &'static str| {
        let path = format!("/nodes/{node}/storage/local/content");
        let cluster = &cluster;
        async move { cluster.data("GET", &path, "").await.as_array().unwrap().len() }
    };

    assert_eq!(elsewhere, "Configuration file 'nodes/a/qemu-server/100.conf' does not exist");
    assert_eq!(taken, "unable to create VM 100 - VM 100 already exists on node 'b'");
    assert_eq!((volumes("a").await, volumes("b").await), (2, 3));
}

#[tokio::test]
async fn a_world_that_is_written_down_and_read_back_goes_on_as_it_would_have() {
    let (one, other) = (Cluster::of(&["pve1"]), Cluster::of(&["pve1"]));
    one.data("POST", "/nodes/pve1/qemu", "vmid=100&net0=virtio&scsi0=local:1").await;
    let written = serde_json::to_string(&one.proxmox.world()).unwrap();
    other.proxmox.replace(serde_json::from_str(&written).unwrap());
    one.wait(1_000);
    other.wait(1_000);

    let path = "/nodes/pve1/qemu/100/config";
    assert_eq!(one.data("GET", path, "").await, other.data("GET", path, "").await);
}

#[test]
fn who_speaks_in_clear_is_sent_to_tls() {
    let cluster = Cluster::of(&["pve1"]);
    let sent = |method: &str| {
        let request = Request {
            method: method.into(),
            path: "/api2/json/version".into(),
            headers: vec![("Host".into(), "pve:8006".into())],
            ..Request::default()
        };
        match cluster.proxmox.in_clear(&request) {
            Outcome::Answered(answer) => (answer.status, answer.headers),
            other => panic!("{other:?}"),
        }
    };
    let (status, headers) = sent("GET");
    assert_eq!((status, sent("POST").0), (301, 308));
    assert!(headers.contains(&("Location".into(), "https://pve:8006/api2/json/version".into())));
}

#[tokio::test]
async fn members_of_objects_come_in_any_order() {
    let cluster = Cluster::of(&["pve1"]);
    let mut written = std::collections::BTreeSet::new();
    for _ in 0..50 {
        written.insert(cluster.ask("GET", "/version", "").await.body);
    }
    // Three members of `data` stand in six orders.
    assert_eq!(written.len(), 6);
}

#[tokio::test]
async fn long_answers_are_gzipped_for_who_takes_that() {
    let cluster = Cluster::of(&["pve1"]);
    let heard = async |path: &str, accepted: &str| {
        let answer = cluster.ask_with("GET", path, "", &[("Accept-Encoding", accepted)]).await;
        let is_packed = answer.headers.contains(&("Content-Encoding".into(), "gzip".into()));
        (is_packed, answer.body)
    };

    let (is_packed, body) = heard("/access/roles", "gzip, deflate").await;
    let mut plain = String::new();
    GzDecoder::new(body.as_slice()).read_to_string(&mut plain).unwrap();
    let roles = cluster.data("GET", "/access/roles", "").await;
    assert!(is_packed);
    assert_eq!(serde_json::from_str::<Value>(&plain).unwrap()["data"], roles);
    assert!(!heard("/access/roles", "identity").await.0);
    assert!(!heard("/version", "gzip").await.0);
}

#[tokio::test]
async fn a_guest_goes_to_another_node_with_its_disks() {
    let cluster = Cluster::of(&["a", "b"]);
    cluster.done("POST", "/nodes/a/qemu", "vmid=100&scsi0=local:1").await;
    let outlook = cluster.data("GET", "/nodes/a/qemu/100/migrate", "").await;
    assert_eq!(outlook["allowed_nodes"], json!(["b"]));
    assert_eq!(outlook["local_disks"][0]["volid"], "local:100/vm-100-disk-0.raw");

    cluster.data("POST", "/nodes/a/qemu/100/migrate", "target=b&online=1").await;
    let lock = cluster.data("GET", "/nodes/a/qemu/100/config", "").await["lock"].clone();
    assert_eq!(lock, "migrate");
    cluster.wait(1_000);
    let config = cluster.data("GET", "/nodes/b/qemu/100/config", "").await;
    assert_eq!(config["lock"], Value::Null);
    assert_eq!(config["scsi0"], "local:100/vm-100-disk-0.raw,size=1G");
    assert_eq!(cluster.done("POST", "/nodes/b/qemu/100/status/start", "").await, "OK");

    let refused = cluster.ask("POST", "/nodes/b/qemu/100/migrate", "target=a").await;
    assert_eq!(refused.reason, "can't migrate running VM without --online");
    let path = "/nodes/b/qemu/100/migrate";
    assert_eq!(cluster.done("POST", path, "target=a&online=1").await, "migration aborted");
    let there = cluster.data("GET", "/nodes/b/qemu/100/status/current", "").await;
    assert_eq!((&there["status"], &there["lock"]), (&json!("running"), &Value::Null));
    assert_eq!(cluster.done("POST", path, "target=a&online=1&with-local-disks=1").await, "OK");
    let here = cluster.data("GET", "/nodes/a/qemu/100/status/current", "").await;
    assert_eq!(here["status"], "running");
}

#[tokio::test]
async fn a_guest_stays_where_its_storage_is_unless_it_changes_it() {
    let cluster = Cluster::of(&["a", "b"]);
    let own = "storage=own&type=dir&path=/own&nodes=a&content=images,rootdir";
    cluster.data("POST", "/storage", own).await;
    let image = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.gz";
    let body = format!("vmid=200&ostemplate={image}&rootfs=own:1");
    cluster.done("POST", "/nodes/a/lxc", &body).await;
    cluster.done("POST", "/nodes/a/lxc/200/status/start", "").await;

    let path = "/nodes/a/lxc/200/migrate";
    let refused = cluster.ask("POST", path, "target=b&restart=1").await.reason;
    assert_eq!(refused, "storage 'own' is not available on node 'b'");
    let body = "target=b&restart=1&target-storage=own:local";
    assert_eq!(cluster.done("POST", path, body).await, "OK");
    let config = cluster.data("GET", "/nodes/b/lxc/200/config", "").await;
    assert_eq!(config["rootfs"], "local:200/vm-200-disk-0.raw,size=1G");
    let status = cluster.data("GET", "/nodes/b/lxc/200/status/current", "").await;
    assert_eq!(status["status"], "running");
    let elsewhere = cluster.ask("POST", "/nodes/b/lxc/200/migrate", "target=b").await;
    assert_eq!(elsewhere.status, 400);
}

#[tokio::test]
async fn a_backup_locks_its_guest_and_what_it_leaves_outlives_that() {
    let cluster = Cluster::of(&["a", "b"]);
    cluster.done("POST", "/nodes/a/qemu", "vmid=100&name=web&scsi0=local:1").await;
    assert_eq!(cluster.data("POST", "/nodes/b/vzdump", "all=1").await, "OK");
    let refused = cluster.ask("POST", "/nodes/a/vzdump", "all=1&vmid=100").await;
    assert_eq!(refused.status, 400);

    let body = "vmid=100&storage=local&compress=zstd&notes-template={{guestname}}";
    cluster.data("POST", "/nodes/a/vzdump", body).await;
    let lock = cluster.data("GET", "/nodes/a/qemu/100/config", "").await["lock"].clone();
    assert_eq!(lock, "backup");
    cluster.wait(1_000);
    assert_eq!(cluster.done("DELETE", "/nodes/a/qemu/100", "").await, "OK");

    let path = "/nodes/a/storage/local/content";
    let held = cluster.data("GET", path, "").await;
    let held = held.as_array().unwrap().iter().find(|row| row["content"] == "backup").unwrap();
    assert_eq!(held["volid"], "local:backup/vzdump-qemu-100-2027_01_15-08_00_11.vma.zst");
    assert_eq!((&held["vmid"], &held["notes"]), (&json!(100), &json!("web")));
    assert_eq!(cluster.done("POST", "/nodes/a/vzdump", "vmid=100").await, "job errors");
}
