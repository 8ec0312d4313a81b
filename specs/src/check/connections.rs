//! Each connection says what its endpoint needs, and nothing that another would.

use super::{Checker, at};
use crate::kinds::{Docker, Endpoint, SshEndpoint};
use crate::{Address, Code, Kind};

pub(super) fn check(checker: &mut Checker<'_>) {
    for (name, docker) in &checker.specs.docker {
        let from = Address::new(Kind::Docker, &**name);
        match &docker.endpoint {
            Some(Endpoint::Ssh(ssh)) if docker.host_key.is_none() => pin(checker, &from, ssh),
            // Without one, `DOCKER_HOST` may name a machine.
            Some(Endpoint::Ssh(_)) | None => {}
            Some(
                other @ (Endpoint::Unix(_)
                | Endpoint::Tcp(_)
                | Endpoint::MemoryFile(_)
                | Endpoint::Memory),
            ) => unused(checker, &from, docker, other),
        }
    }
}

fn pin(checker: &mut Checker<'_>, from: &Address, ssh: &SshEndpoint) {
    let message = format!("`{from}` is reached over ssh and has no `host_key`");
    checker.find(Code::NoHostKey, from.clone(), at!["endpoint"], message).hint = Some(format!(
        "add `host_key = \"SHA256:…\"` with what `ssh-keygen -lf \
         /etc/ssh/ssh_host_ed25519_key.pub` shows on `{}`",
        ssh.host
    ));
}

fn unused(checker: &mut Checker<'_>, from: &Address, docker: &Docker, endpoint: &Endpoint) {
    let fields = [("host_key", docker.host_key.is_some()), ("key", docker.key.is_some())];
    for (field, _) in fields.into_iter().filter(|(_, there)| *there) {
        let message = format!("`{from}` has a `{field}`, but `{endpoint}` is not reached over ssh");
        checker.find(Code::NotOverSsh, from.clone(), at![field], message).hint =
            Some("remove the line, or make the endpoint `ssh://user@host`".into());
    }
}
