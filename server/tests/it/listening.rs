//! Connections.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use lessor_server::{Listening, app};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};

use crate::fixture::{BACKENDS, Server};

async fn said(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn the_server_answers_over_a_real_connection() {
    let server = Server::new(BACKENDS[0]).await;
    let listening = Listening::at("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let address = listening.address().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(listening.serve(app(&server.services), async {
        let _ = stopped.await;
    }));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let answer = said(&mut stream, "GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(answer.await.starts_with("HTTP/1.1 200 OK"));

    let many = (0..100).fold(String::new(), |many, of| many + &format!("x-{of}: y\r\n"));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /readyz HTTP/1.1\r\nhost: x\r\n{many}\r\n");
    assert!(said(&mut stream, &request).await.starts_with("HTTP/1.1 431"));
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert!(said(&mut stream, "NONSENSE\r\n\r\n").await.starts_with("HTTP/1.1 400"));

    stop.send(()).unwrap();
    serving.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn an_answer_that_was_begun_is_finished_before_the_server_ends() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let route = {
        let (begun, go_on) = (begun.clone(), go_on.clone());
        get(move || async move {
            begun.notify_one();
            go_on.notified().await;
            "whole"
        })
    };
    let listening = Listening::at("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let address = listening.address().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(listening.serve(Router::new().route("/", route), async {
        let _ = stopped.await;
    }));
    let mut idle = TcpStream::connect(address).await.unwrap();
    let asking = tokio::spawn(async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        said(&mut stream, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await
    });
    begun.notified().await;
    stop.send(()).unwrap();
    // A connection that waits for nothing is closed at once.
    let mut nothing = Vec::new();
    let closed = tokio::time::timeout(Duration::from_mins(1), idle.read_to_end(&mut nothing));
    closed.await.unwrap().unwrap();
    assert!(!serving.is_finished());
    go_on.notify_one();
    let answer = asking.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("whole"), "{answer}");
    serving.await.unwrap();
}

#[tokio::test]
async fn over_tls_it_shows_the_certificate_it_was_given_and_who_does_not_speak_it_gets_nothing() {
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, RootCertStore};
    use tokio_rustls::TlsConnector;

    let directory = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["lessor.test".to_owned()]).unwrap();
    let (certificate, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    assert!(lessor_server::Tls::of_files(&key, &certificate).is_err());
    let tls = lessor_server::Tls::of_files(&certificate, &key).unwrap();

    let server = Server::new(BACKENDS[0]).await;
    let listening = Listening::at("127.0.0.1:0".parse().unwrap(), Some(tls)).await.unwrap();
    let address = listening.address().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(listening.serve(app(&server.services), async {
        let _ = stopped.await;
    }));
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("lessor.test").unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");

    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP"));
    stop.send(()).unwrap();
    serving.await.unwrap();
}
