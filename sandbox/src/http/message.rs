//! Requests and answers.

/// A request, as it came. Nothing is decoded but its framing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, …
    pub method: String,
    /// The path, still encoded.
    pub path: String,
    /// What stands behind `?`, still encoded.
    pub query: Option<String>,
    /// Names as they were written, with their values, in order.
    pub headers: Vec<(String, String)>,
    /// The body; of a request in chunks, what they hold.
    pub body: Vec<u8>,
    /// Where it came from.
    pub client: Option<std::net::SocketAddr>,
}

impl Request {
    /// The first header of that name, in whatever case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Whether it came in chunks.
    pub fn is_chunked(&self) -> bool {
        self.header("Transfer-Encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }

    /// Whether its sender wants the connection closed behind the answer.
    pub(super) fn closes(&self) -> bool {
        self.header("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// An answer, byte for byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The reason phrase.
    pub reason: String,
    /// Names and values, in the order in which they are sent. `Content-Length` is added.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the connection is closed behind it, whatever its headers say.
    pub closes: bool,
    /// Whether it answers `HEAD`: its length is told and its body kept back.
    pub is_head: bool,
}

impl Answer {
    /// An answer without headers.
    pub fn new(status: u16, reason: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Answer { status, reason: reason.into(), body: body.into(), ..Answer::default() }
    }

    /// The same with another header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same, closing the connection.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    /// How it goes over the wire.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let length = format!("Content-Length: {}\r\n", self.body.len());
        let mut bytes = if matches!(self.status, 100..=199 | 204 | 304) {
            self.head("")
        } else {
            self.head(&length)
        };
        if !self.is_head {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }

    /// Everything before the body; `framing` is the header that says how long that is.
    pub(super) fn head(&self, framing: &str) -> Vec<u8> {
        // A line break would begin another header.
        let one_line = |text: &str| text.replace(['\r', '\n'], " ");
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, one_line(&self.reason));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {}\r\n", one_line(value)));
        }
        head.push_str(framing);
        head.push_str("\r\n");
        head.into_bytes()
    }
}
