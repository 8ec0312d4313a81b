//! Against pretend systems over real HTTPS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use lessor_sandbox::http::{self, Identity, Outcome, Server, Site};
use rcgen::{Certificate, CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::https::Pin;

/// A system whose paths say what happens.
#[derive(Default)]
struct Oddly {
    heard: AtomicUsize,
}

#[async_trait]
impl Site for Oddly {
    async fn answer(&self, request: http::Request) -> Outcome {
        self.heard.fetch_add(1, Ordering::SeqCst);
        let said = || format!("{} {:?}", request.path, request.query);
        match request.path.as_str() {
            "/hung-up" => Outcome::HungUp,
            "/cut" => Outcome::Cut(http::Answer::new(200, "OK", "x".repeat(100)), 80),
            "/never" => std::future::pending().await,
            "/away" => Outcome::Answered(
                http::Answer::new(302, "Found", "").header("Location", "https://127.0.0.1:1/"),
            ),
            "/usual" => Outcome::Answered(http::Answer::new(500, "Internal Server Error", "")),
            "/secret" => {
                let shown = request.header("x-api-key").unwrap_or_default();
                Outcome::Answered(http::Answer::new(200, "OK", shown.to_owned()))
            }
            _ => Outcome::Answered(http::Answer::new(500, "disk 'a' is gone", said())),
        }
    }
}

/// A system that listens, and how to know it.
struct There {
    site: Arc<Oddly>,
    identity: Identity,
    server: Server,
}

impl There {
    async fn with(names: &[&str]) -> There {
        let (site, identity) = (Arc::new(Oddly::default()), Identity::new(names).unwrap());
        let address = "127.0.0.1:0".parse().unwrap();
        let server = Server::listen(address, Some(&identity), site.clone()).await.unwrap();
        There { site, identity, server }
    }

    fn pinned(&self) -> Https {
        self.trusting(&Trust::Pinned(self.identity.fingerprint().parse().unwrap()))
    }

    fn trusting(&self, trust: &Trust) -> Https {
        Https::new(&format!("https://{}", self.server.address()), trust).unwrap()
    }

    /// What an error says, without the port, which changes.
    fn said(&self, error: &HttpsError) -> String {
        error.to_string().replace(&self.server.address().port().to_string(), "PORT")
    }
}

fn get(target: &str) -> Request<'_> {
    let deadline = Duration::from_secs(5);
    Request { method: Method::GET, target, secrets: Vec::new(), body: None, deadline }
}

#[tokio::test]
async fn a_pinned_certificate_counts_whatever_name_stands_in_it() {
    let there = There::with(&["some.other.name"]).await;

    let answer = there.pinned().ask(get("/a%3Bb?c=%20")).await.unwrap();

    let body = br#"/a%3Bb Some("c=%20")"#.to_vec();
    assert_eq!((answer.status, answer.reason.as_str()), (500, "disk 'a' is gone"));
    assert_eq!(answer.headers["content-length"], body.len().to_string());
    assert_eq!(answer.body, body);
    let usual = there.pinned().ask(get("/usual")).await.unwrap();
    assert_eq!(usual.reason, "Internal Server Error");
}

#[tokio::test]
async fn any_other_certificate_is_refused_and_both_fingerprints_are_said() {
    let there = There::with(&["localhost", "127.0.0.1"]).await;
    let expected = Pin::of(b"another");
    let found: Pin = there.identity.fingerprint().parse().unwrap();

    let error = there.trusting(&Trust::Pinned(expected)).ask(get("/")).await.unwrap_err();

    let place = there.server.address().to_string();
    let said = format!("`{place}` shows the certificate {found}, and {expected} is pinned");
    assert_eq!(error.to_string(), said);
    assert!(error.hint().unwrap().contains(&found.to_string()));
    assert_eq!(error, HttpsError::OtherCertificate { place, expected, found });
    assert!(!error.was_heard() && !error.may_pass());
    assert_eq!(there.site.heard.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_authority_vouches_for_the_name_it_wrote_and_for_no_other() {
    let file = |identity: &Identity| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, identity.pem()).unwrap();
        file
    };
    let there = There::with(&["127.0.0.1"]).await;
    let named_otherwise = There::with(&["some.other.name"]).await;
    let (right, wrong) = (file(&there.identity), file(&named_otherwise.identity));
    let ca = |file: &tempfile::NamedTempFile| Trust::Ca(file.path().to_owned());

    let believed = there.trusting(&ca(&right)).ask(get("/")).await;
    let stranger = there.trusting(&ca(&wrong)).ask(get("/")).await.unwrap_err();
    let misnamed = named_otherwise.trusting(&ca(&wrong)).ask(get("/")).await.unwrap_err();

    assert!(believed.is_ok(), "{believed:?}");
    let why =
        "nobody trusted vouches for `127.0.0.1:PORT`: its certificate is signed by somebody else";
    assert_eq!(there.said(&stranger), why);
    let misnamed = named_otherwise.said(&misnamed);
    assert!(misnamed.contains("certificate not valid for name"), "{misnamed}");
    assert_eq!(there.site.heard.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_authorities_of_the_web_do_not_know_a_fresh_installation() {
    let there = There::with(&["127.0.0.1"]).await;
    match Https::new(&format!("https://{}", there.server.address()), &Trust::System) {
        Ok(https) => {
            let error = https.ask(get("/")).await.unwrap_err();
            assert!(matches!(error, HttpsError::NotVouched { .. }), "{error}");
        }
        // A machine without authorities says so, and what to do.
        Err(error) => assert!(error.to_string().contains("`fingerprint`"), "{error}"),
    }
    assert_eq!(there.site.heard.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn without_tls_nothing_is_said_unless_it_is_asked_for() {
    let site = Arc::new(Oddly::default());
    let server = Server::listen("127.0.0.1:0".parse().unwrap(), None, site.clone()).await.unwrap();
    let plain = format!("http://{}", server.address());

    let refused = Https::new(&plain, &Trust::System).unwrap_err().to_string();
    let other = Https::plain("https://127.0.0.1").unwrap_err().to_string();
    assert_eq!(refused, format!("`{plain}` is no endpoint: it begins with `https://`"));
    assert_eq!(other, "`https://127.0.0.1` is no endpoint: it begins with `http://`");
    assert_eq!(site.heard.load(Ordering::SeqCst), 0);
    assert_eq!(Https::plain(&plain).unwrap().ask(get("/")).await.unwrap().status, 500);
}

/// Somebody who shows a certificate, and has a key: its own or another.
async fn showing(certificate: &Certificate, key: &KeyPair) -> SocketAddr {
    let der = PrivatePkcs8KeyDer::from(key.serialize_der());
    let key = ring::sign::any_supported_type(&PrivateKeyDer::Pkcs8(der)).unwrap();
    let shown = CertifiedKey::new(vec![certificate.der().clone()], key);
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut asked = [0; 1024];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    address
}

fn certificate(expired: bool) -> (Certificate, KeyPair) {
    let mut parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    if expired {
        parameters.not_after = rcgen::date_time_ymd(2001, 1, 1);
        parameters.not_before = rcgen::date_time_ymd(2000, 1, 1);
    }
    let key = KeyPair::generate().unwrap();
    (parameters.self_signed(&key).unwrap(), key)
}

#[tokio::test]
async fn who_shows_the_pinned_certificate_without_its_key_is_found_out() {
    let ((real, _), (_, other)) = (certificate(false), certificate(false));
    let address = showing(&real, &other).await;
    let trust = Trust::Pinned(Pin::of(real.der()));
    let https = Https::new(&format!("https://{address}"), &trust).unwrap();

    let error = https.ask(get("/")).await.unwrap_err();

    let why = "it does not have the key to the certificate that it shows".into();
    assert_eq!(error, HttpsError::NotVouched { place: address.to_string(), why });
}

#[tokio::test]
async fn an_expired_certificate_is_taken_when_it_is_pinned_and_not_when_it_is_vouched_for() {
    let (old, key) = certificate(true);
    let address = showing(&old, &key).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, old.pem()).unwrap();
    let asked = async |trust| {
        Https::new(&format!("https://{address}"), &trust).unwrap().ask(get("/")).await
    };

    let pinned = asked(Trust::Pinned(Pin::of(old.der()))).await;
    let vouched = asked(Trust::Ca(file.path().to_owned())).await.unwrap_err();

    assert_eq!(pinned.unwrap().status, 200);
    let why = "its certificate has expired".into();
    assert_eq!(vouched, HttpsError::NotVouched { place: address.to_string(), why });
}

#[tokio::test]
async fn what_was_not_heard_and_what_may_have_been_are_told_apart() {
    let there = There::with(&["localhost"]).await;
    let https = there.pinned();
    let trust = Trust::Pinned(Pin::of(b""));
    let error = |https: Https, target: &'static str, deadline_ms: u64| async move {
        let deadline = Duration::from_millis(deadline_ms);
        https.ask(Request { deadline, ..get(target) }).await.unwrap_err()
    };
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = Https::new(&format!("https://{closed}"), &trust).unwrap();
    let nowhere = Https::new("https://nowhere.invalid", &trust).unwrap();
    let wait = Duration::from_millis(50);
    let stuck = format!("https://{}", mute.local_addr().unwrap());
    let stuck = Https::waiting(&stuck, &trust, wait).unwrap();
    let hasty = format!("https://{}", there.server.address());
    let pin = Trust::Pinned(there.identity.fingerprint().parse().unwrap());
    let hasty = Https::waiting(&hasty, &pin, Duration::from_secs(1)).unwrap();

    let told = [
        error(nobody, "/", 5000).await,
        error(nowhere, "/", 5000).await,
        error(stuck, "/", 5000).await,
        error(https.clone(), "/hung-up", 5000).await,
        error(https.clone(), "/cut", 5000).await,
        error(hasty, "/never", 1).await,
    ];

    let kinds = told.each_ref().map(|error| {
        let kind = format!("{error:?}");
        (kind.split(' ').next().unwrap_or_default().to_owned(), error.was_heard())
    });
    let kinds = kinds.each_ref().map(|(kind, heard)| (kind.as_str(), *heard));
    assert_eq!(
        kinds,
        [
            ("Refused", false),
            ("Unresolved", false),
            ("NotConnected", false),
            ("Broken", true),
            ("Broken", true),
            ("Silent", true),
        ]
    );
    assert!(told.iter().all(HttpsError::may_pass));
    let silent = there.said(&told[5]);
    assert_eq!(silent, "`127.0.0.1:PORT` did not answer within 1 ms");
    // What broke was asked once and not again.
    assert_eq!(there.site.heard.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn who_speaks_in_clear_is_not_believed() {
    let address = "127.0.0.1:0".parse().unwrap();
    let clear = Server::listen(address, None, Arc::new(Oddly::default())).await.unwrap();
    let trust = Trust::Pinned(Pin::of(b""));
    let https = Https::new(&format!("https://{}", clear.address()), &trust).unwrap();

    let error = https.ask(get("/")).await.unwrap_err();

    assert!(matches!(error, HttpsError::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_like_any_other() {
    let there = There::with(&["localhost"]).await;
    assert_eq!(there.pinned().ask(get("/away")).await.unwrap().status, 302);
}

#[tokio::test]
async fn a_target_leads_nowhere_else() {
    let there = There::with(&["localhost"]).await;
    for target in ["//127.0.0.1:1/", "http://127.0.0.1:1/", "https://evil.example/"] {
        let error = there.pinned().ask(get(target)).await.unwrap_err();
        assert_eq!(error, HttpsError::Unusable(format!("`{target}` cannot be sent")));
    }
}

#[tokio::test]
async fn a_secret_is_sent_and_shown_to_nobody_else() {
    let there = There::with(&["localhost"]).await;
    let with = |value: &str| Request {
        secrets: vec![("x-api-key", SecretString::from(value.to_owned()))],
        ..get("/secret")
    };
    assert!(!format!("{:?}", with("hunter2")).contains("hunter2"));

    let answer = there.pinned().ask(with("hunter2")).await.unwrap();
    let unfit = there.pinned().ask(with("hunter\n2")).await.unwrap_err();

    assert_eq!(answer.body, b"hunter2");
    assert_eq!(unfit.to_string(), "the value of `x-api-key` cannot be sent");
    assert!(!format!("{answer:?}").contains("hunter2"));
}

#[test]
fn an_endpoint_is_a_host_behind_https_and_nothing_else() {
    let trust = Trust::Pinned(Pin::of(b""));
    let said = |endpoint: &str| match Https::new(endpoint, &trust) {
        Ok(https) => https.place(),
        Err(error) => error.to_string(),
    };
    assert_eq!(said("https://pve.example"), "pve.example:443");
    assert_eq!(said("https://[::1]:8006/"), "[::1]:8006");
    let clear = "`http://pve:8006` is no endpoint: it begins with `https://`";
    assert_eq!(said("http://pve:8006"), clear);
    let deep = "`https://pve:8006/api2` is no endpoint: it ends with the host and its port";
    assert_eq!(said("https://pve:8006/api2"), deep);
    assert_eq!(said("https://a:hunter2@pve"), "an endpoint holds no user and no password");
    assert!(said("pve:8006").contains("is no endpoint"));
    assert!(said("").contains("is no endpoint"));
}
