//! HTTP/1.1 with every byte in our hands.
//!
//! What the real systems do here no well-behaved server would: reason phrases carry messages, two
//! headers contradict each other, connections break in the middle of an answer. So the protocol is
//! spoken by us, as far as these systems speak it.

mod connection;
mod message;
mod server;
mod stream;
mod tls;

use std::time::Duration;

use async_trait::async_trait;

pub use message::{Answer, Request};
pub use server::{Server, ServerError};
pub use stream::{Conversation, Stream};
pub use tls::{Identity, IdentityError};

/// A system: answers requests.
#[async_trait]
pub trait Site: Send + Sync + 'static {
    /// What happens to one request.
    async fn answer(&self, request: Request) -> Outcome;

    /// What happens to a request in clear where TLS is spoken.
    fn in_clear(&self, request: &Request) -> Outcome {
        let _ = request;
        Outcome::HungUp
    }

    /// How connections live here.
    fn habits(&self) -> Habits {
        Habits::default()
    }
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Outcome {
    /// This is sent.
    Answered(Answer),
    /// The head of this is sent, and then whatever comes, in chunks, for as long as it comes.
    Streamed(Answer, Stream),
    /// The head of this is sent, and from then on the connection carries bytes both ways.
    Upgraded(Answer, Conversation),
    /// Only so many bytes of this are sent before the connection is closed.
    Cut(Answer, usize),
    /// The connection is closed without a word.
    HungUp,
}

/// How connections live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habits {
    /// After how much silence a connection is closed, without notice.
    pub idle: Duration,
    /// How many answers a connection carries; the last one says so.
    pub answers_max: usize,
    /// How long a request may be, head and body each, in bytes.
    pub request_max: usize,
}

impl Default for Habits {
    fn default() -> Self {
        Habits { idle: Duration::from_mins(1), answers_max: usize::MAX, request_max: 16 << 20 }
    }
}
