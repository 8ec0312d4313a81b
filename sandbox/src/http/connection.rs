//! One connection: requests in, answers out.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::{Answer, Habits, Outcome, Request, Site, stream};

/// The most headers a request may have.
const HEADERS_MAX: usize = 100;

/// How a request is answered.
pub(super) enum Manner {
    /// As the system does.
    Usual,
    /// As it answers who speaks in clear where it expects TLS.
    InClear,
}

/// Serves a connection until either end has enough.
pub(super) async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    client: SocketAddr,
    site: &Arc<dyn Site>,
    manner: Manner,
) -> io::Result<()> {
    let habits = site.habits();
    let mut unread = Vec::new();
    for n in 1.. {
        let read = timeout(habits.idle, read(&mut stream, &mut unread, &habits));
        let mut request = match read.await {
            Ok(Ok(Some(request))) => request,
            Ok(Ok(None)) | Err(_) => break,
            Ok(Err(refused)) => {
                stream.write_all(&refused.answer()?.to_bytes()).await?;
                break;
            }
        };
        request.client = Some(client);
        let asked_to_close = request.closes() || n >= habits.answers_max;
        let is_head = request.method == "HEAD";
        let outcome = match manner {
            Manner::Usual => site.answer(request).await,
            Manner::InClear => site.in_clear(&request),
        };
        match outcome {
            Outcome::Answered(mut answer) => {
                let closes = asked_to_close || answer.closes;
                if closes {
                    // Whatever it meant to say of the connection, this is its last answer.
                    answer.headers.retain(|(name, _)| name != "Connection");
                    answer = answer.header("Connection", "close");
                }
                answer.is_head = is_head;
                stream.write_all(&answer.to_bytes()).await?;
                stream.flush().await?;
                if closes {
                    break;
                }
            }
            Outcome::Streamed(answer, chunks) => {
                let whole = stream::send(&mut stream, &answer, chunks, &mut unread).await?;
                if !whole || asked_to_close {
                    break;
                }
            }
            Outcome::Upgraded(answer, conversation) => {
                stream::converse(&mut stream, &answer, conversation, unread).await?;
                break;
            }
            Outcome::Cut(answer, length) => {
                let bytes = answer.to_bytes();
                stream.write_all(&bytes[..length.min(bytes.len())]).await?;
                break;
            }
            Outcome::HungUp => break,
        }
    }
    stream.shutdown().await
}

/// Why there is no request.
enum Refused {
    Broken(io::Error),
    Malformed,
    TooLong,
}

impl Refused {
    /// What the sender is told, unless there is nobody to tell.
    fn answer(self) -> io::Result<Answer> {
        match self {
            Refused::Broken(error) => Err(error),
            Refused::Malformed => Ok(Answer::new(400, "Bad Request", "").closing()),
            Refused::TooLong => Ok(Answer::new(413, "Payload Too Large", "").closing()),
        }
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Refused::Broken(error)
    }
}

/// The next request; `None` when the other end has no more. What was read beyond it stays in
/// `unread`.
async fn read(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    unread: &mut Vec<u8>,
    habits: &Habits,
) -> Result<Option<Request>, Refused> {
    let (mut request, head) = loop {
        if let Some(parsed) = parse(unread)? {
            break parsed;
        }
        if unread.len() > habits.request_max {
            return Err(Refused::TooLong);
        }
        if fill(stream, unread).await? == 0 {
            return if unread.is_empty() { Ok(None) } else { Err(Refused::Malformed) };
        }
    };
    unread.drain(..head);
    if request.header("Expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let length = match request.header("Content-Length") {
        Some(length) => length.trim().parse().map_err(|_| Refused::Malformed)?,
        None => 0,
    };
    request.body = if request.is_chunked() {
        read_chunks(stream, unread, habits).await?
    } else {
        take(stream, unread, length, habits).await?
    };
    Ok(Some(request))
}

/// A head and its length, once it is there as a whole.
fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, Refused> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Refused::Malformed),
    };
    let target = parsed.path.unwrap_or("/");
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let header = |header: &httparse::Header<'_>| {
        (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned())
    };
    let request = Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query,
        headers: parsed.headers.iter().map(header).collect(),
        ..Request::default()
    };
    Ok(Some((request, length)))
}

async fn fill(stream: &mut (impl AsyncRead + Unpin), unread: &mut Vec<u8>) -> io::Result<usize> {
    unread.reserve(8 << 10);
    stream.read_buf(unread).await
}

/// The next `length` bytes.
async fn take(
    stream: &mut (impl AsyncRead + Unpin),
    unread: &mut Vec<u8>,
    length: usize,
    habits: &Habits,
) -> Result<Vec<u8>, Refused> {
    if length > habits.request_max {
        return Err(Refused::TooLong);
    }
    while unread.len() < length {
        if fill(stream, unread).await? == 0 {
            return Err(Refused::Malformed);
        }
    }
    Ok(unread.drain(..length).collect())
}

/// What the chunks hold, up to the empty one.
async fn read_chunks(
    stream: &mut (impl AsyncRead + Unpin),
    unread: &mut Vec<u8>,
    habits: &Habits,
) -> Result<Vec<u8>, Refused> {
    let mut whole = Vec::new();
    loop {
        let (head, size) = loop {
            match httparse::parse_chunk_size(unread) {
                Ok(httparse::Status::Complete(found)) => break found,
                Ok(httparse::Status::Partial) => {}
                Err(_) => return Err(Refused::Malformed),
            }
            if fill(stream, unread).await? == 0 {
                return Err(Refused::Malformed);
            }
        };
        unread.drain(..head);
        let size = usize::try_from(size).map_err(|_| Refused::TooLong)?;
        if whole.len().saturating_add(size) > habits.request_max {
            return Err(Refused::TooLong);
        }
        let chunk = take(stream, unread, size + 2, habits).await?;
        if size == 0 {
            return Ok(whole);
        }
        whole.extend_from_slice(&chunk[..size]);
    }
}
