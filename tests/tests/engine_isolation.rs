//! What tenants on one real host have of each other: nothing.

#![expect(clippy::unwrap_used, reason = "what helps a test may do what a test may")]

use lessor_tests::engine::{APPLY, Site, docker, docker_run};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// As `examples/minehost`, with names, ports and subnets of its own.
const SPECS: &str = r#"
[docker.par1]
location = "par1"
capacity = { cpu = "16", memory = "64GiB", disk = "1TiB" }

[location.par1]
country = "FR"
city = "Paris"
timezone = "Europe/Paris"

[port_range.minecraft]
docker = "par1"
range = "{port0}-{port3}"
bind = "127.0.0.1"

[bridge.tenants]
docker = "par1"
supernet = "{s0}"
per_tenant_prefix = 29

[image."paper-1.21".container]
ref = "{image}"
command = ["busybox", "httpd", "-f", "-p", "25565", "-h", "/bin"]
data = "/data"
ready = { tcp = 25565, timeout = "30s" }

[offer.small]
images = ["paper-1.21"]
locations = ["par1"]
price = { currency = "EUR", hourly = "0.004000" }
[offer.small.container]
cpu = "0.5"
memory = "128MiB"
disk = "1GiB"
ports = [{ range = "minecraft", container = 25565 }]

[quota.default]
instances = 3
memory = "8GiB"

[tenant.{p}-acme]
owners = ["alice@example.net"]
quota = "default"

[tenant.{p}-globex]
owners = ["bob@example.net"]
quota = "default"

[instance."{p}-acme/lobby"]
offer = "small"

[instance."{p}-acme/creative"]
offer = "small"

[instance."{p}-globex/survival"]
offer = "small"
"#;

/// Whether one container gets an answer from the server in another.
fn reaches(from: &str, address: &str) -> bool {
    let ask = format!("echo 'GET /busybox HTTP/1.0' | busybox nc -w 2 {address} 25565");
    // `nc` that cannot connect fails; one that can prints what it reads.
    let asked = docker_run(&["exec", from, "sh", "-c", &format!("{ask} | busybox head -c 4")]);
    asked.is_ok_and(|answer| !answer.is_empty())
}

fn address(container: &str) -> String {
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    docker(&["inspect", "--format", format, container])
}

#[test]
fn a_tenant_reaches_its_own_and_nobody_elses_and_has_what_it_rents() {
    let site = Site::new();
    site.specs(SPECS);
    site.lessor(&APPLY).expect(0);
    let name = |own: &str| format!("{}-{own}", site.prefix);
    let (lobby, creative, survival) =
        (name("acme_lobby"), name("acme_creative"), name("globex_survival"));

    // Its own, in both directions.
    assert!(reaches(&lobby, &address(&creative)), "acme cannot reach its own");
    assert!(reaches(&creative, &address(&lobby)), "acme cannot reach its own");
    assert!(reaches(&survival, &address(&survival)), "globex cannot reach itself");
    // Nobody else's, in both directions.
    assert!(!reaches(&lobby, &address(&survival)), "acme reaches globex");
    assert!(!reaches(&survival, &address(&lobby)), "globex reaches acme");
    assert!(!reaches(&survival, &address(&creative)), "globex reaches acme");

    for container in [&lobby, &creative, &survival] {
        limits_are_there(container);
        let published = docker(&["port", container, "25565/tcp"]);
        assert!(published.starts_with("127.0.0.1:"), "{published}");
        assert!(answers_http(&published), "{container} does not answer at {published}");
    }
    site.lessor(&["plan", "--detailed-exitcode"]).expect(0);
}

fn limits_are_there(container: &str) {
    let format = "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}} \
                  {{.HostConfig.PidsLimit}} {{.HostConfig.SecurityOpt}} {{.HostConfig.Privileged}} \
                  {{.HostConfig.RestartPolicy.Name}}";
    assert_eq!(
        docker(&["inspect", "--format", format, container]),
        "134217728 134217728 500000000 512 [no-new-privileges:true] false unless-stopped"
    );
    // The kernel says so too, whichever version of cgroups it has.
    let limit = docker(&[
        "exec",
        container,
        "sh",
        "-c",
        "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]);
    assert_eq!(limit, "134217728");
}

fn answers_http(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut answer = [0; 9];
    stream.write_all(b"GET /busybox HTTP/1.0\r\n\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer.starts_with(b"HTTP/1.")
}
