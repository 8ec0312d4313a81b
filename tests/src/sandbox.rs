//! `lessor sandbox` beside a test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::binary::binary;

/// A sandbox that runs for as long as this is kept.
#[derive(Debug)]
pub struct Sandbox {
    child: Child,
    /// What it announced, as it was written.
    pub announcement: String,
    told: Value,
}

impl Sandbox {
    /// Starts it with these arguments, on any free ports.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(arguments: &[&str]) -> Sandbox {
        let mut command = Command::new(binary());
        command.args(["sandbox", "--format", "json"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut announcement = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut announcement).unwrap();
        Sandbox { told: serde_json::from_str(&announcement).unwrap(), announcement, child }
    }

    /// How one gets into a system: `endpoint`, `user`, `password`, `token`.
    ///
    /// # Panics
    /// When there is no such system.
    pub fn access(&self, system: &str, what: &str) -> &str {
        self.told["systems"][system][what].as_str().unwrap()
    }

    /// Everything a system knows.
    ///
    /// # Panics
    /// When it does not say so.
    pub fn state(&self, system: &str) -> Value {
        self.ask("GET", &format!("/{system}/state"), "")
    }

    /// Lets tasks of the pretend cluster end soon, and nobody wait for statistics.
    ///
    /// # Panics
    /// When it does not take that.
    pub fn hurry(&self) {
        let mut state = self.state("proxmox");
        state["pace"] =
            json!({ "refusal_ms": 0, "task_ms": 50, "shutdown_ms": 50, "statistics_ms": 0 });
        self.ask("PUT", "/proxmox/state", &state.to_string());
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let control = self.told["control"].as_str().unwrap();
        let mut stream = TcpStream::connect(control.trim_start_matches("http://")).unwrap();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        write!(stream, "{head}Content-Length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{method} {path}: {answer}");
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nobody to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
