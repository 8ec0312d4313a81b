//! A server for a test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::Shop;

/// A server that runs, and ends with the test.
pub(crate) struct Serving {
    child: Child,
    /// Where it is: `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    log: Receiver<String>,
}

impl Serving {
    pub(crate) fn start(shop: &Shop) -> Self {
        Serving::with(shop, "")
    }

    /// With more words behind `serve`.
    pub(crate) fn with(shop: &Shop, args: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lessor"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(args.split_whitespace());
        command.current_dir(shop.dir()).env_remove("LESSOR_LOG");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        // A server whose log nobody takes would wait for somebody who does.
        let (mut stderr, (told, log)) = (child.stderr.take().unwrap(), channel());
        std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            let _ = told.send(text);
        });
        Serving { child, url: line.trim().to_owned(), log }
    }

    /// The status and the body.
    pub(crate) fn call(&self, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let body = body.to_string();
        let mut stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// Asks it to end; its exit code, and what it logged.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM).unwrap();
        let log = self.log.recv().unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
