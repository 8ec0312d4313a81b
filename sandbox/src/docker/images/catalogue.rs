//! What registries have, as far as this engine can reach them.

/// An image that can be pulled.
pub(super) struct Entry {
    name: &'static str,
    pub(super) entrypoint: &'static [&'static str],
    pub(super) command: &'static [&'static str],
    pub(super) ports: &'static [&'static str],
    pub(super) volumes: &'static [&'static str],
    /// Programs beside those of busybox.
    pub(super) programs: &'static [&'static str],
}

/// Programs of busybox.
pub(super) const BUSYBOX: [&str; 19] = [
    "busybox", "sh", "ash", "ls", "cat", "sleep", "httpd", "nc", "ps", "kill", "true", "false",
    "echo", "env", "hostname", "tail", "top", "printf", "wait",
];

const NONE: Entry =
    Entry { name: "", entrypoint: &[], command: &[], ports: &[], volumes: &[], programs: &[] };

/// A program that runs until it is told to stop stands for each server.
const SERVE: &[&str] = &["serve"];

const CATALOGUE: [Entry; 8] = [
    Entry { name: "busybox", command: &["sh"], ..NONE },
    Entry { name: "alpine", command: &["/bin/sh"], ..NONE },
    Entry { name: "debian", command: &["sh"], ..NONE },
    Entry { name: "hello-world", command: &["echo", "Hello from Docker!"], ..NONE },
    Entry { name: "nginx", command: SERVE, ports: &["80/tcp"], programs: SERVE, ..NONE },
    Entry {
        name: "redis",
        command: SERVE,
        ports: &["6379/tcp"],
        volumes: &["/data"],
        programs: SERVE,
        ..NONE
    },
    Entry {
        name: "postgres",
        command: SERVE,
        ports: &["5432/tcp"],
        volumes: &["/var/lib/postgresql/data"],
        programs: SERVE,
        ..NONE
    },
    Entry {
        name: "itzg/minecraft-server",
        command: SERVE,
        ports: &["25565/tcp"],
        volumes: &["/data"],
        programs: SERVE,
        ..NONE
    },
];

/// What is in every registry below `.example`: a server.
const EXAMPLE: Entry = Entry { name: "", command: SERVE, programs: SERVE, ..NONE };

/// The image of that name, if some registry knows it.
pub(super) fn find(registry: &str, path: &str) -> Option<&'static Entry> {
    let host = registry.split(':').next().unwrap_or_default();
    let known = CATALOGUE.iter().find(|entry| entry.name == path);
    if host == "example" || host.ends_with(".example") {
        let missing = ["missing", "nothing"].contains(&path.rsplit('/').next().unwrap_or_default());
        return known.or_else(|| (!missing).then_some(&EXAMPLE));
    }
    known.filter(|_| registry == "registry-1.docker.io")
}
