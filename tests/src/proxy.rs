//! A Docker Engine in bad weather: a proxy on a Unix socket that does to answers what networks,
//! overload and crashes do.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

use crate::engine::{Dice, SOCKET};

/// What may happen to one request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The connection is closed before the request is read.
    Refused,
    /// The answer comes late.
    Late(Duration),
    /// Only so many bytes of the answer come.
    CutAfter(usize),
    /// The engine did what was asked; nobody hears of it.
    NoAnswer,
    /// The engine fails, and did nothing.
    Error500,
    /// The answer is half a JSON document, of the length it says.
    HalfJson,
    /// The answer is JSON of something else.
    OtherJson,
    /// An empty list, shorter than the answer says it is.
    ShortList,
}

/// Which requests it happens to.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// So many in a hundred, by chance; to one of as many as that makes it likely, for certain.
    Sometimes(u64),
    /// Every request whose line contains this.
    Asking(&'static str),
}

/// A proxy in front of the engine, as long as it is kept.
pub struct Proxy {
    directory: TempDir,
    hits: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Weather {
    fault: Fault,
    when: When,
    dice: Arc<Mutex<Dice>>,
    requests: Arc<AtomicUsize>,
    hits: Arc<AtomicUsize>,
}

impl Proxy {
    /// Begins to listen.
    ///
    /// # Panics
    /// When it cannot.
    pub fn new(fault: Fault, when: When, seed: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("docker.sock")).unwrap();
        let hits = Arc::new(AtomicUsize::new(0));
        let dice = Arc::new(Mutex::new(Dice::new(seed)));
        let requests = Arc::new(AtomicUsize::new(0));
        let weather = Weather { fault, when, dice, requests, hits: Arc::clone(&hits) };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let weather = weather.clone();
                // Whoever hangs up ends only its own conversation.
                std::thread::spawn(move || drop(weather.serve(client)));
            }
        });
        Proxy { directory, hits }
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("docker.sock")
    }

    /// The option of `lessor` that goes through it.
    pub fn option(&self, connection: &str) -> String {
        format!("--endpoint={connection}=unix://{}", self.socket().display())
    }

    /// To how many requests the fault happened.
    pub fn hits(&self) -> usize {
        self.hits.load(Ordering::Relaxed)
    }
}

impl Weather {
    /// One request and its answer; then the connection is closed, which HTTP allows at any time.
    fn serve(&self, mut client: UnixStream) -> io::Result<()> {
        let request = read_request(&mut client)?;
        if request.is_empty() {
            return Ok(());
        }
        if !self.strikes(&request) {
            return client.write_all(&ask(&request)?);
        }
        self.hits.fetch_add(1, Ordering::Relaxed);
        let answer = match self.fault {
            Fault::Refused => Vec::new(),
            Fault::Late(time) => {
                let answer = ask(&request)?;
                std::thread::sleep(time);
                answer
            }
            Fault::CutAfter(bytes) => {
                let mut answer = ask(&request)?;
                answer.truncate(bytes);
                answer
            }
            Fault::NoAnswer => {
                ask(&request)?;
                Vec::new()
            }
            Fault::Error500 => {
                json("500 Internal Server Error", r#"{"message":"containerd is restarting"}"#)
            }
            Fault::HalfJson => {
                let body = body(&ask(&request)?);
                json("200 OK", &String::from_utf8_lossy(&body[..body.len() / 2]))
            }
            Fault::OtherJson => {
                ask(&request)?;
                json("200 OK", r#"{"weather":"fair"}"#)
            }
            Fault::ShortList => {
                let length = body(&ask(&request)?).len().max(100);
                format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\
                     Content-Length: {length}\r\n\r\n[]"
                )
                .into_bytes()
            }
        };
        client.write_all(&answer)?;
        client.shutdown(Shutdown::Both)
    }

    fn strikes(&self, request: &[u8]) -> bool {
        match self.when {
            When::Sometimes(percent) => {
                let requests = self.requests.fetch_add(1, Ordering::Relaxed) as u64;
                let was_fair = self.hits.load(Ordering::Relaxed) == 0;
                let is_due = was_fair && requests >= 100 / percent;
                self.dice.lock().unwrap().comes(percent) || is_due
            }
            When::Asking(part) => {
                let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
                String::from_utf8_lossy(line).contains(part)
            }
        }
    }
}

/// Asks the engine.
fn ask(request: &[u8]) -> io::Result<Vec<u8>> {
    let mut engine = UnixStream::connect(Path::new(SOCKET))?;
    let line = request.windows(2).position(|two| two == b"\r\n").map_or(0, |at| at + 2);
    engine.write_all(&request[..line])?;
    engine.write_all(b"Connection: close\r\n")?;
    engine.write_all(&request[line..])?;
    let mut answer = Vec::new();
    engine.read_to_end(&mut answer)?;
    Ok(answer)
}

fn read_request(client: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut request = Vec::new();
    let mut buffer = [0; 8_192];
    loop {
        if is_whole(&request) {
            return Ok(request);
        }
        match client.read(&mut buffer)? {
            0 => return Ok(Vec::new()),
            read => request.extend(&buffer[..read]),
        }
    }
}

fn is_whole(request: &[u8]) -> bool {
    let Some(end) = head_end(request) else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
    if head.contains("transfer-encoding: chunked") {
        return request.ends_with(b"0\r\n\r\n");
    }
    request.len() >= end + length
}

fn head_end(message: &[u8]) -> Option<usize> {
    message.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// The body of an answer, whether it came in chunks or whole.
fn body(answer: &[u8]) -> Vec<u8> {
    let end = head_end(answer).unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    if !head.contains("transfer-encoding: chunked") {
        return answer[end..].to_vec();
    }
    let (mut whole, mut rest) = (Vec::new(), &answer[end..]);
    while let Some(at) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = String::from_utf8_lossy(&rest[..at]);
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else { break };
        let Some(chunk) = rest.get(at + 2..at + 2 + size).filter(|_| size > 0) else { break };
        whole.extend(chunk);
        rest = rest.get(at + 4 + size..).unwrap_or_default();
    }
    whole
}

fn json(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
