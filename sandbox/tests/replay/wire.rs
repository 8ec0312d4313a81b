//! A client that sees every header.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A request.
pub(crate) struct Said {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
}

/// An answer; status 0 is none.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) text: String,
    pub(crate) json: Option<Value>,
}

impl Heard {
    /// The values of a header, in order.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }
}

/// Says something on a connection of its own, and hears the answer.
pub(crate) async fn exchange(address: SocketAddr, said: Said) -> Heard {
    let config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream =
        connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    stream.write_all(bytes(&said).as_slice()).await.unwrap();
    let mut unread = Vec::new();
    loop {
        if let Some(heard) = parsed(&unread) {
            return heard;
        }
        match stream.read_buf(&mut unread).await {
            Ok(0) | Err(_) => return Heard::default(),
            Ok(_) => {}
        }
    }
}

fn bytes(said: &Said) -> Vec<u8> {
    let mut head = format!("{} {} HTTP/1.1\r\nHost: localhost:8006\r\n", said.method, said.target);
    for (name, value) in &said.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let body = said.body.clone().unwrap_or_default();
    let chunked = said.headers.iter().any(|(name, _)| name == "Transfer-Encoding");
    let body = if chunked {
        format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
    } else {
        if said.body.is_some() || matches!(said.method.as_str(), "POST" | "PUT") {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        body
    };
    format!("{head}\r\n{body}").into_bytes()
}

/// An answer, once it is there as a whole.
fn parsed(bytes: &[u8]) -> Option<Heard> {
    let mut headers = [httparse::EMPTY_HEADER; 50];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = answer.parse(bytes).unwrap() else { return None };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers: Vec<(String, String)> =
        answer.headers.iter().map(|one| (one.name.to_owned(), text(one.value))).collect();
    let mut found = Heard {
        status: answer.code.unwrap(),
        reason: answer.reason.unwrap_or_default().to_owned(),
        headers,
        ..Heard::default()
    };
    let length: usize = found.header("Content-Length").first().map_or(0, |n| n.parse().unwrap());
    let body = bytes.get(head..head + length)?;
    found.text = text(body);
    found.json = serde_json::from_str(&found.text).ok();
    Some(found)
}

/// Believes every certificate: a fresh installation has one that nobody vouches for.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
