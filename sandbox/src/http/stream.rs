//! Answers that go on: in chunks for as long as something comes, or as bytes both ways.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::Answer;

/// How much may be on its way before whoever sends has to wait.
const AHEAD: usize = 64;

/// What is sent behind the head of an answer, piece by piece, until its sender is dropped.
#[derive(Debug)]
pub struct Stream {
    pieces: mpsc::Receiver<Vec<u8>>,
    /// How many more bytes the connection lives.
    left: usize,
}

impl Stream {
    /// One that has nothing yet, and where its pieces come in. When the other end is gone, the
    /// sender is closed.
    pub fn new() -> (mpsc::Sender<Vec<u8>>, Stream) {
        let (sender, pieces) = mpsc::channel(AHEAD);
        (sender, Stream { pieces, left: usize::MAX })
    }

    /// The same, breaking off after so many bytes.
    #[must_use]
    pub fn cut(mut self, length: usize) -> Stream {
        self.left = length;
        self
    }

    /// As much of these bytes as is still sent.
    fn allowance<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let sent = &bytes[..self.left.min(bytes.len())];
        self.left -= sent.len();
        sent
    }
}

/// Bytes both ways.
#[derive(Debug)]
pub struct Conversation {
    stream: Stream,
    heard: Option<mpsc::Sender<Vec<u8>>>,
}

impl Conversation {
    /// One that has nothing yet, where its pieces come in, and what the other end says; that ends
    /// when the other end has said all.
    pub fn new() -> (mpsc::Sender<Vec<u8>>, mpsc::Receiver<Vec<u8>>, Conversation) {
        let (sender, stream) = Stream::new();
        let (heard, input) = mpsc::channel(AHEAD);
        (sender, input, Conversation { stream, heard: Some(heard) })
    }

    /// The same, breaking off after so many bytes.
    #[must_use]
    pub fn cut(mut self, length: usize) -> Conversation {
        self.stream = self.stream.cut(length);
        self
    }
}

/// Sends a stream in chunks. Says whether all of it was sent; whoever hears it may hang up.
pub(super) async fn send(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    answer: &Answer,
    mut chunks: Stream,
    unread: &mut Vec<u8>,
) -> io::Result<bool> {
    let head = answer.head("Transfer-Encoding: chunked\r\n");
    stream.write_all(chunks.allowance(&head)).await?;
    while chunks.left > 0 {
        let mut more = [0; 1024];
        tokio::select! {
            piece = chunks.pieces.recv() => {
                let Some(piece) = piece else {
                    stream.write_all(chunks.allowance(b"0\r\n\r\n")).await?;
                    stream.flush().await?;
                    return Ok(chunks.left > 0);
                };
                // An empty chunk would be the last.
                if !piece.is_empty() && !answer.is_head {
                    let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
                    chunk.extend_from_slice(&piece);
                    chunk.extend_from_slice(b"\r\n");
                    stream.write_all(chunks.allowance(&chunk)).await?;
                    stream.flush().await?;
                }
            }
            read = stream.read(&mut more) => match read? {
                0 => return Ok(false),
                length => unread.extend_from_slice(&more[..length]),
            },
        }
    }
    Ok(false)
}

/// Carries bytes both ways until there are no more to send.
pub(super) async fn converse(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    answer: &Answer,
    mut conversation: Conversation,
    unread: Vec<u8>,
) -> io::Result<()> {
    let Conversation { stream: output, heard } = &mut conversation;
    stream.write_all(output.allowance(&answer.head(""))).await?;
    stream.flush().await?;
    if let (Some(heard), false) = (heard.as_ref(), unread.is_empty()) {
        // Nobody has to listen.
        let _ = heard.send(unread).await;
    }
    while output.left > 0 {
        let mut more = [0; 4096];
        tokio::select! {
            piece = output.pieces.recv() => {
                let Some(piece) = piece else { return Ok(()) };
                stream.write_all(output.allowance(&piece)).await?;
                stream.flush().await?;
            }
            read = stream.read(&mut more), if heard.is_some() => match (read?, &heard) {
                // Who has said all may still listen.
                (0, _) | (_, None) => *heard = None,
                (length, Some(hears)) => {
                    let _ = hears.send(more[..length].to_vec()).await;
                }
            },
        }
    }
    Ok(())
}
