//! `lessor try` beside a test: pretend clusters and firewalls, and a spec directory for them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::binary;
use crate::engine::{Ran, ended};

/// Systems that go on for as long as this is kept, with an example applied to them.
#[derive(Debug)]
pub struct Trial {
    child: Child,
    home: TempDir,
    environment: BTreeMap<String, String>,
    /// Where fate of each system is played, by its connection.
    controls: BTreeMap<String, String>,
}

impl Trial {
    /// Begins with these specs, and what it takes to make them so.
    ///
    /// # Panics
    /// When it does not come to its end.
    pub fn start(specs: &str) -> Trial {
        let home = tempfile::tempdir().unwrap();
        let example = home.path().join("example");
        fs::create_dir(&example).unwrap();
        fs::write(example.join("specs.toml"), specs).unwrap();
        let mut command = Command::new(binary());
        command.arg("try").arg(&example).arg("--dir").arg(home.path().join("specs"));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let controls = controls(&mut child, specs.matches("\nendpoint = ").count());
        let mut trial = Trial { child, home, environment: BTreeMap::new(), controls };
        trial.environment = trial.exported();
        trial
    }

    /// The spec directory.
    pub fn directory(&self) -> PathBuf {
        self.home.path().join("specs")
    }

    /// Declares something else.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn declare(&self, specs: &str) {
        fs::write(self.directory().join("specs.toml"), specs).unwrap();
    }

    /// Starts a command of ours in the spec directory.
    ///
    /// # Panics
    /// When it does not start.
    pub fn begin(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(self.directory()).envs(&self.environment);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Runs a command of ours in the spec directory.
    pub fn lessor(&self, arguments: &[&str]) -> Ran {
        let began = Instant::now();
        ended(self.begin(arguments), began)
    }

    /// Everything the system behind a connection knows.
    ///
    /// # Panics
    /// When it does not say so.
    pub fn state(&self, place: &str) -> Value {
        self.ask(place, "GET", "state", "")
    }

    /// Lets tasks of the clusters end soon, and nobody wait for the firewalls.
    ///
    /// # Panics
    /// When they do not take that.
    pub fn hurry(&self) {
        for place in self.controls.keys() {
            let mut state = self.state(place);
            if place.starts_with("proxmox.") {
                state["pace"] = json!({ "refusal_ms": 0, "task_ms": 30, "shutdown_ms": 30,
                    "statistics_ms": 20 });
            } else {
                state["apply_ms"] = json!(50);
            }
            self.ask(place, "PUT", "state", &state.to_string());
        }
    }

    /// Lets these faults happen at the system behind a connection, and no others.
    ///
    /// # Panics
    /// When it does not take that.
    pub fn faults(&self, place: &str, faults: &Value) {
        self.ask(place, "PUT", "faults", &faults.to_string());
    }

    fn ask(&self, place: &str, method: &str, what: &str, body: &str) -> Value {
        let control = self.controls[place].trim_start_matches("http://");
        let mut stream = TcpStream::connect(control).unwrap();
        let system = place.split('.').next().unwrap();
        let head = format!("{method} /{system}/{what} HTTP/1.1\r\nConnection: close\r\n");
        write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{place}: {answer}");
        serde_json::from_str(body).unwrap()
    }

    /// What it wrote for shells.
    fn exported(&self) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.directory().join("sandbox.env")).unwrap();
        let lines = text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        lines.map(|(name, value)| (name.into(), value.trim_matches('\'').into())).collect()
    }
}

/// Where fate is played, as it says once all is made. Somebody goes on listening, or it could not go
/// on.
fn controls(child: &mut Child, systems: usize) -> BTreeMap<String, String> {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let (mut told, mut place) = (String::new(), String::new());
    let mut controls = BTreeMap::new();
    for line in lines.by_ref().map_while(Result::ok) {
        if line.starts_with("proxmox.") || line.starts_with("pfsense.") {
            place.clone_from(&line);
        }
        if let Some((_, control)) = line.split_once("what goes wrong there is said at ") {
            controls.insert(place.clone(), control.to_owned());
        }
        told += &line;
        told.push('\n');
        if controls.len() == systems {
            break;
        }
    }
    assert_eq!(controls.len(), systems, "{told}");
    thread::spawn(move || lines.for_each(drop));
    controls
}

impl Drop for Trial {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nobody to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
