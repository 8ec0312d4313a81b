//! A Docker Engine behind TLS: who may not talk to it does not, and is told why.

#![expect(clippy::unwrap_used, reason = "what helps a test may do what a test may")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use lessor_tests::engine::{APPLY, Ran, SOCKET, Site, ran};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

const SPECS: &str = r#"
[docker.local]
endpoint = "tcp://{address}"
tls = { ca = "ca.pem", cert = "cert.pem", key = "secret://file/key.pem" }

[network.{p}-net]
subnet = "{s0}"

[volume.{p}-data]

[container.{p}-web]
image = "{image}"
command = {command}
networks = ["{p}-net"]
volumes = [{ volume = "{p}-data", path = "/data" }]
"#;

/// Somebody who signs certificates.
struct Authority(TempDir);

impl Authority {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let subject = ["-subj", "/CN=authority", "-days", "2"];
        let files = ["-keyout", "ca-key.pem", "-out", "ca.pem"];
        openssl(directory.path(), &[&NEW[..], &["-x509"], &subject, &files].concat());
        Authority(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Makes `<name>.pem` and `<name>-key.pem`.
    fn sign(&self, name: &str, extensions: &str) {
        let (key, certificate) = (format!("{name}-key.pem"), format!("{name}.pem"));
        let subject = format!("/CN={name}");
        let request = ["-subj", &subject, "-keyout", &key, "-out", "request.pem"];
        openssl(self.path(), &[&NEW[..], &request].concat());
        std::fs::write(self.path().join("extensions"), extensions).unwrap();
        let by = ["-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2"];
        let files = ["-in", "request.pem", "-extfile", "extensions", "-out", &certificate];
        openssl(self.path(), &[&["x509", "-req"], &by[..], &files].concat());
    }
}

/// A new key without a password.
const NEW: [&str; 6] = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

fn openssl(directory: &Path, args: &[&str]) {
    let mut command = Command::new("openssl");
    command.args(args).current_dir(directory).stdin(Stdio::null());
    if args[0] == "req" {
        command.arg("-nodes");
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {}: {said}", args.join(" "));
}

/// The engine behind TLS, for those whom `clients` vouches for, as `server` says it is.
fn engine(server: &Authority, clients: &Authority) -> SocketAddr {
    server.sign("server", "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth");
    let certificate = |path| CertificateDer::from_pem_file(path).unwrap();
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate(clients.path().join("ca.pem"))).unwrap();
    let known = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let own = certificate(server.path().join("server.pem"));
    let key = PrivateKeyDer::from_pem_file(server.path().join("server-key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(known.build().unwrap())
        .with_single_cert(vec![own], key)
        .unwrap();

    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(acceptor.clone(), client));
            }
        });
    });
    address
}

async fn serve(acceptor: TlsAcceptor, client: TcpStream) {
    match acceptor.accept(client).into_fallible().await {
        Ok(mut client) => {
            let mut engine = UnixStream::connect(SOCKET).await.unwrap();
            // Whoever hangs up ends only its own conversation.
            let _ = copy_bidirectional(&mut client, &mut engine).await;
        }
        // To close with something unread would take back what the client was told.
        Err((_, mut client)) => while client.read(&mut [0; 1_024]).await.is_ok_and(|n| n > 0) {},
    }
}

/// A site that believes `ca`, and shows what `signer` vouches for.
fn site(address: SocketAddr, ca: &Authority, signer: &Authority) -> Site {
    let site = Site::new();
    signer.sign("client", "extendedKeyUsage=clientAuth");
    let copy = |from: &Authority, name: &str, to: &str| {
        std::fs::copy(from.path().join(name), site.path().join(to)).unwrap();
    };
    copy(ca, "ca.pem", "ca.pem");
    copy(signer, "client.pem", "cert.pem");
    copy(signer, "client-key.pem", "key.pem");
    site.specs(&SPECS.replace("{address}", &address.to_string()));
    site
}

/// Nothing is planned or made, and both commands say why.
fn refused(site: &Site, why: &[&str]) {
    let both: [Ran; 2] = [site.lessor(&["plan", "--detailed-exitcode"]), site.apply()];
    for run in both {
        run.expect(6);
        for why in why {
            run.says(why);
        }
    }
    site.expect_things(&[]);
}

#[test]
fn an_engine_behind_tls_is_applied_to_and_then_nothing_is_left() {
    let authority = Authority::new();
    let site = site(engine(&authority, &authority), &authority, &authority);

    site.lessor(&["plan", "--detailed-exitcode"]).expect(2);
    site.lessor(&APPLY).expect(0);
    site.lessor(&["plan", "--detailed-exitcode"]).expect(0);
    site.expect_things(&["container {p}-web", "network {p}-net", "volume {p}-data"]);
    site.lessor(&["destroy", "--yes", "--allow", "removals"]).expect(0);
    site.expect_things(&["volume {p}-data"]);
}

#[test]
fn a_client_certificate_of_another_authority_is_refused_and_nothing_is_made() {
    let (authority, other) = (Authority::new(), Authority::new());
    let site = site(engine(&authority, &authority), &authority, &other);
    refused(&site, &["no TLS with the engine at `tcp://127.0.0.1:", "fatal alert", "`tls`"]);
}

#[test]
fn a_server_certificate_of_another_authority_is_refused_and_nothing_is_made() {
    let (authority, other) = (Authority::new(), Authority::new());
    let site = site(engine(&other, &authority), &authority, &authority);
    refused(
        &site,
        &["no TLS with the engine at `tcp://127.0.0.1:", "invalid peer certificate", "`tls`"],
    );
}

/// Whoever may sign for the web may not sign for engines.
#[test]
fn an_authority_that_only_this_machine_trusts_is_not_believed() {
    let (authority, other) = (Authority::new(), Authority::new());
    let site = site(engine(&other, &authority), &authority, &authority);
    let mut plan = site.command(&["plan"]);
    plan.env("SSL_CERT_FILE", other.path().join("ca.pem"));
    ran(plan).expect(6).says("invalid peer certificate");
}

#[test]
fn a_missing_key_is_named_and_nothing_is_made() {
    let authority = Authority::new();
    let site = site(engine(&authority, &authority), &authority, &authority);
    let key = site.path().join("key.pem");
    std::fs::remove_file(&key).unwrap();
    refused(&site, &[&format!("`{}` cannot be read", key.display()), "`tls`"]);
}
