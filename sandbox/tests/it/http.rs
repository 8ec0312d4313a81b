//! The wire: what is sent is what the system meant, byte for byte.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lessor_sandbox::http::{Answer, Habits, Identity, Outcome, Request, Server, Site};

use crate::wire::said;

/// Says what it was asked, in the manner that the path names.
struct Echo;

#[async_trait]
impl Site for Echo {
    async fn answer(&self, request: Request) -> Outcome {
        let body = String::from_utf8(request.body.clone()).unwrap();
        let asked = format!("{} {} {:?} {body}", request.method, request.path, request.query);
        let answer = Answer::new(200, "Fine, thank\nyou", asked);
        match request.path.as_str() {
            "/contradiction" => Outcome::Answered(
                answer.header("Connection", "close").header("Connection", "Keep-Alive"),
            ),
            "/last" => Outcome::Answered(answer.closing()),
            "/cut" => Outcome::Cut(answer, 20),
            "/silence" => Outcome::HungUp,
            _ => Outcome::Answered(answer),
        }
    }

    fn in_clear(&self, request: &Request) -> Outcome {
        let answer = Answer::new(301, "Moved Permanently", "");
        Outcome::Answered(answer.header("Location", format!("https:/{}", request.path)).closing())
    }

    fn habits(&self) -> Habits {
        Habits { answers_max: 3, request_max: 1000, idle: Duration::from_secs(30) }
    }
}

async fn listening() -> Server {
    Server::listen("127.0.0.1:0".parse().unwrap(), None, Arc::new(Echo)).await.unwrap()
}

#[tokio::test]
async fn a_connection_carries_answers_until_one_says_it_is_the_last() {
    let server = listening().await;
    let asked = "GET /a?b=%20 HTTP/1.1\r\n\r\nPOST /contradiction HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc\
                 GET /last HTTP/1.1\r\n\r\nGET /never HTTP/1.1\r\n\r\n";

    insta::assert_snapshot!(said(server.address(), asked).await, @r#"
    HTTP/1.1 200 Fine, thank you
    Content-Length: 21

    GET /a Some("b=%20") HTTP/1.1 200 Fine, thank you
    Connection: close
    Connection: Keep-Alive
    Content-Length: 28

    POST /contradiction None abcHTTP/1.1 200 Fine, thank you
    Connection: close
    Content-Length: 15

    GET /last None
    "#);
}

#[tokio::test]
async fn a_connection_ends_after_as_many_answers_as_the_system_gives() {
    let server = listening().await;
    let heard = said(server.address(), &"GET / HTTP/1.1\r\n\r\n".repeat(5)).await;
    assert_eq!(heard.matches("HTTP/1.1 200").count(), 3);
    assert_eq!(heard.matches("Connection: close").count(), 1);
}

#[tokio::test]
async fn requests_come_whole_in_chunks_or_not_at_all() {
    let server = listening().await;
    let chunks = "PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
                  3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert!(said(server.address(), chunks).await.ends_with("PUT /x None abcde"));
    for (bytes, status) in [
        ("nonsense\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        ("PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        ("PUT / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", "HTTP/1.1 413 Payload Too Large"),
    ] {
        let heard = said(server.address(), bytes).await;
        assert!(heard.starts_with(status), "{bytes}: {heard}");
    }
}

#[tokio::test]
async fn the_head_of_an_answer_is_told_without_its_body() {
    let server = listening().await;
    let heard = said(server.address(), "HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert!(heard.contains("Content-Length: 12\n"), "{heard}");
    assert!(heard.ends_with("\n\n"), "{heard}");
}

#[tokio::test]
async fn answers_break_off_where_they_shall() {
    let server = listening().await;
    let heard = said(server.address(), "GET /cut HTTP/1.1\r\n\r\n").await;
    assert_eq!(heard, "HTTP/1.1 200 Fine, t");
    assert_eq!(said(server.address(), "GET /silence HTTP/1.1\r\n\r\n").await, "");
}

#[tokio::test]
async fn who_speaks_in_clear_where_tls_is_spoken_is_told_so() {
    let identity = Identity::new(&["localhost"]).unwrap();
    let address = "127.0.0.1:0".parse().unwrap();
    let server = Server::listen(address, Some(&identity), Arc::new(Echo)).await.unwrap();
    let heard = said(server.address(), "GET /a HTTP/1.1\r\n\r\n").await;
    assert!(heard.starts_with("HTTP/1.1 301 Moved Permanently\nLocation: https://a\n"), "{heard}");
    assert_eq!(identity.fingerprint().len(), 32 * 3 - 1);
}
