//! `lessor sandbox`, as those who start it see it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use insta::assert_snapshot;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::{Shop, WEB};

/// A sandbox that runs, and what it announced.
struct Running {
    child: Child,
    announcement: Value,
}

impl Running {
    fn start(args: &[&str]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lessor"));
        command.args(["sandbox", "--format", "json"]).args(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Running { announcement: serde_json::from_str(&line).unwrap(), child }
    }

    /// Asks the control endpoint.
    fn fate(&self, path: &str) -> Value {
        let control = self.announcement["control"].as_str().unwrap();
        let mut stream = TcpStream::connect(control.trim_start_matches("http://")).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// Asks it to end.
    fn end(mut self) -> Option<i32> {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

#[test]
fn it_says_where_everything_is_and_ends_when_asked() {
    let running = Running::start(&["--fault", "pfsense=lost,path=/apply,times=1"]);
    let systems = &running.announcement["systems"];
    for name in ["proxmox", "pfsense"] {
        let endpoint = systems[name]["endpoint"].as_str().unwrap();
        TcpStream::connect(endpoint.trim_start_matches("https://")).unwrap();
        assert_eq!(systems[name]["fingerprint"].as_str().unwrap().len(), 32 * 3 - 1);
    }
    let docker = systems["docker"]["endpoint"].as_str().unwrap();
    TcpStream::connect(docker.strip_prefix("tcp://").unwrap()).unwrap();
    assert_eq!(running.fate("/"), json!(["docker", "pfsense", "proxmox"]));
    assert_eq!(running.fate("/pfsense/faults")["faults"][0]["mishap"], "lost");
    assert_eq!(running.fate("/proxmox/faults")["faults"], json!([]));
    assert_eq!(running.end(), Some(0));
}

#[test]
fn it_goes_on_from_a_state_with_a_token_of_its_own() {
    let first = Running::start(&["--proxmox", ":0"]);
    let mut state = first.fate("/proxmox/state");
    state["nodes"]["pve2"]["online"] = false.into();
    assert_eq!(first.end(), Some(0));
    let shop = Shop::new(WEB);
    shop.write("state.json", json!({ "proxmox": state }).to_string());

    let second =
        Running::start(&["--proxmox", ":0", "--seed", shop.path("state.json").to_str().unwrap()]);
    assert_eq!(second.fate("/proxmox/state")["nodes"]["pve2"]["online"], false);
    let access = &second.announcement["systems"]["proxmox"];
    assert_eq!(access["password"], Value::Null);
    assert!(access["token"].as_str().unwrap().starts_with("root@pam!sandbox="), "{access}");
    assert_eq!(second.end(), Some(0));
}

#[test]
fn what_it_cannot_be_is_refused_before_anything_listens() {
    let shop = Shop::new(WEB);
    shop.write("state.json", r#"{"proxmox": {"nodes": 3}}"#);
    assert_snapshot!(shop.lessor("sandbox --proxmox 192.0.2.1:8006"), @"
    err| error: the sandbox could not be started
    err|   caused by: `192.0.2.1:8006` is not on loopback, and a sandbox is for this machine alone
    exit 1
    ");
    assert_snapshot!(shop.lessor("sandbox --pfsense :0 --fault proxmox=lost"), @"
    err| error: the sandbox could not be started
    err|   caused by: there is no system `proxmox` here
    exit 1
    ");
    assert_snapshot!(shop.lessor("sandbox --fault pfsense=rain"), @"
    err| error: invalid value 'pfsense=rain' for '--fault <SYSTEM=FAULT>': `rain` is no mishap; there are refused, lost, slow:MS, late:MS, cut:BYTES, partial, status:CODE and restart:MS
    err| 
    err| For more information, try '--help'.
    exit 64
    ");
    assert_snapshot!(shop.lessor("sandbox --proxmox 8006"), @"
    err| error: invalid value '8006' for '--proxmox <ADDR:PORT>': expected ADDR:PORT, or :PORT
    err| 
    err| For more information, try '--help'.
    exit 64
    ");
    assert_snapshot!(shop.lessor("sandbox --seed nowhere.json"), @"
    err| error: `nowhere.json` does not hold the states of systems
    err|   caused by: No such file or directory (os error 2)
    exit 1
    ");
    assert!(shop.lessor("sandbox --seed state.json").stderr.contains("the state of `proxmox`"));
}
