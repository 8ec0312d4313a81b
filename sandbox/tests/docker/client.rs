//! Asking an engine, wherever it listens.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lessor_sandbox::docker::{Docker, State};
use lessor_sandbox::http::Server;
use lessor_sandbox::{Clock, System as _, Weather};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

/// 2026-01-01T00:00:00Z.
const START_MS: u64 = 1_767_225_600_000;

/// Where an engine listens.
#[derive(Clone, Debug)]
pub(crate) enum Door {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// What an engine answered.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).trim_end().to_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The status, and what was said of it.
    pub(crate) fn said(&self) -> String {
        match self.json()["message"].as_str() {
            Some(message) => format!("{} {message}", self.status),
            None => self.status.to_string(),
        }
    }
}

/// Both ways in one.
pub(crate) trait Pipe: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Pipe for T {}

impl Door {
    /// Sends a request and leaves the connection open.
    pub(crate) async fn open(&self, method: &str, path: &str, body: &str) -> Box<dyn Pipe> {
        let mut stream: Box<dyn Pipe> = match self {
            Door::Tcp(address) => Box::new(TcpStream::connect(address).await.unwrap()),
            Door::Unix(path) => Box::new(UnixStream::connect(path).await.unwrap_or_else(|error| {
                let path = path.display();
                panic!(
                    "this test needs a Docker Engine at `{path}` (tests/run.sh starts one): {error}"
                )
            })),
        };
        let sort = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n{sort}\
             Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Reply {
        let mut stream = self.open(method, path, body).await;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        reply(&bytes)
    }
}

/// An answer, taken apart.
pub(crate) fn reply(bytes: &[u8]) -> Reply {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = &bytes[end + 4..];
    let chunked = head.contains("Transfer-Encoding: chunked");
    let body = if chunked { unchunked(body) } else { body.to_vec() };
    Reply { status, head, body }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        let there = size.min(rest.len() - end - 2);
        whole.extend_from_slice(&rest[end + 2..][..there]);
        rest = rest.get(end + 4 + size..).unwrap_or_default();
    }
    whole
}

/// A pretend engine that listens, with weather in front of it. Its clock stands still.
pub(crate) struct Engine {
    pub(crate) docker: Docker,
    pub(crate) weather: Arc<Weather>,
    pub(crate) door: Door,
    server: Server,
}

impl Engine {
    pub(crate) async fn new() -> Engine {
        Engine::with(Clock::stopped(START_MS), |_| {}).await
    }

    /// One whose clock runs.
    pub(crate) async fn running() -> Engine {
        Engine::with(Clock::default(), |_| {}).await
    }

    pub(crate) async fn with(clock: Clock, edit: impl FnOnce(&mut State)) -> Engine {
        let mut state = State::installed(clock, 7);
        edit(&mut state);
        let docker = Docker::new(state);
        let weather = Arc::new(Weather::new(Arc::new(docker.clone()), 7));
        let address = "127.0.0.1:0".parse().unwrap();
        let server = Server::listen(address, None, weather.clone()).await.unwrap();
        Engine { docker, weather, door: Door::Tcp(server.address()), server }
    }

    /// As `DOCKER_HOST` says it.
    pub(crate) fn host(&self) -> String {
        format!("tcp://{}", self.server.address())
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.door.ask("GET", path, "").await.json()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.door.ask("POST", path, &body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.door.ask("DELETE", path, "").await
    }

    /// Makes and starts a container with this command.
    pub(crate) async fn run(&self, name: &str, command: &[&str], more: Value) -> Reply {
        let mut wish = serde_json::json!({ "Image": "lessor.example/busybox:1", "Cmd": command });
        for (key, value) in more.as_object().into_iter().flatten() {
            wish[key] = value.clone();
        }
        let made = self.post(&format!("/containers/create?name={name}"), wish).await;
        assert_eq!(made.status, 201, "{}", made.text());
        self.post(&format!("/containers/{name}/start"), Value::Null).await
    }

    /// Something of a container, by where it stands in its inspection.
    pub(crate) async fn inspect(&self, name: &str, at: &str) -> Value {
        let inspection = self.get(&format!("/containers/{name}/json")).await;
        inspection.pointer(at).cloned().unwrap_or(Value::Null)
    }

    /// Lets so many milliseconds pass.
    pub(crate) async fn wait(&self, ms: u64) {
        self.docker.advance(Duration::from_millis(ms)).await;
    }
}

/// What frames of output hold: the pipe and the text of each.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<(u8, String)> {
    let mut frames = Vec::new();
    while let [pipe, 0, 0, 0, a, b, c, d, rest @ ..] = bytes {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        frames.push((*pipe, String::from_utf8_lossy(&rest[..length]).into_owned()));
        bytes = &rest[length..];
    }
    frames
}
