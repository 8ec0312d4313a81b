//! `lessor serve` beside a test: a provider that rents, any number of servers on one database, and
//! who calls them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Row as _};
use tempfile::TempDir;

use crate::binary::binary;
use crate::engine::{Ran, ended, quiet};

/// What is rented on a real engine, to be filled in by [`Site`](crate::engine::Site).
///
/// Nothing is kept of what ends, so that a test leaves nothing behind.
pub const ON_ENGINE: &str = r#"
[docker.local]
location = "here"
[location.here]
country = "FR"
[image.box.container]
ref = "{image}"
command = {command}
[offer.small]
images = ["box"]
locations = ["here"]
price = { currency = "EUR", hourly = "0.010000" }
lifecycle = { retention = "0s" }
container = { cpu = "0.1", memory = "32MiB" }
[bridge.tenants]
docker = "local"
supernet = "{s0}"
per_tenant_prefix = 28
[tenant.{p}-acme]
[policy.orders]
apply = "auto"
"#;

/// For how long an answer is waited for: longer than a server takes to say that it cannot.
const PATIENCE: Duration = Duration::from_mins(1);

/// A provider that rents: a spec directory that was applied, its database, and a key for everything.
#[derive(Debug)]
pub struct Shop {
    home: TempDir,
    database: String,
    key: String,
    /// How many servers were started.
    started: AtomicU32,
}

/// A server that runs, and is gone with the test.
#[derive(Debug)]
pub struct Serving {
    child: Child,
    address: String,
    log: PathBuf,
}

/// Somebody who calls a server, over one connection for as long as that holds.
#[derive(Debug)]
pub struct Client {
    address: String,
    key: String,
    log: PathBuf,
    stream: Option<BufReader<TcpStream>>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body; a string when it is no JSON.
    pub body: Value,
}

impl Shop {
    /// Applies specs. The database is where `url` says, or a file of its own.
    ///
    /// # Panics
    /// When they cannot be applied.
    pub fn open(specs: &str, url: Option<String>) -> Shop {
        Shop::of("test-shop", specs, url)
    }

    /// As [`Shop::open`], of an installation.
    ///
    /// # Panics
    /// When they cannot be applied.
    pub fn of(installation: &str, specs: &str, url: Option<String>) -> Shop {
        Shop::with(installation, specs, &[], url)
    }

    /// As [`Shop::of`], with other files beside the specs, by name.
    ///
    /// # Panics
    /// When they cannot be applied.
    pub fn with(
        installation: &str,
        specs: &str,
        files: &[(&str, &str)],
        url: Option<String>,
    ) -> Shop {
        let home = tempfile::Builder::new().prefix("lessor-test-").tempdir().unwrap();
        let configuration = format!("installation = \"{installation}\"\n");
        fs::write(home.path().join("lessor.toml"), configuration).unwrap();
        for (name, text) in [("specs.toml", specs)].iter().chain(files) {
            fs::write(home.path().join(name), text).unwrap();
        }
        let file = || format!("sqlite:{}", home.path().join("shop.db").display());
        let (database, started) = (url.unwrap_or_else(file), AtomicU32::new(0));
        let mut shop = Shop { home, database, key: String::new(), started };
        shop.lessor(&["apply", "--yes"]).expect(0);
        let made = shop.lessor(&["apikey", "create", "--platform-admin", "--format", "json"]);
        let made: Value = serde_json::from_str(&made.expect(0).stdout).unwrap();
        made["secret"].as_str().unwrap().clone_into(&mut shop.key);
        shop
    }

    /// The spec directory.
    pub fn path(&self) -> &Path {
        self.home.path()
    }

    /// Where the database is.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// A key that may do everything.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Runs a command of ours in the spec directory.
    pub fn lessor(&self, arguments: &[&str]) -> Ran {
        let began = Instant::now();
        let mut command = self.command(arguments);
        ended(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(), began)
    }

    /// What a statement answers past every server: the first column of each row, which is a text.
    ///
    /// # Panics
    /// When it fails.
    pub fn sql(&self, statement: &str) -> Vec<String> {
        let rows = self.connected(async |connection| {
            let statement = AssertSqlSafe(statement.to_owned());
            let rows = sqlx::query(statement).fetch_all(connection).await?;
            rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()
        });
        rows.unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    /// Carries out statements past every server, all or none.
    ///
    /// # Panics
    /// When one of them fails.
    pub fn sql_all(&self, statements: &[String]) {
        let done = self.connected(async |connection| {
            let mut work = connection.begin().await?;
            for statement in statements {
                let statement = AssertSqlSafe(statement.clone());
                sqlx::query(statement).execute(&mut *work).await?;
            }
            work.commit().await
        });
        done.unwrap();
    }

    fn connected<T>(
        &self,
        work: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        sqlx::any::install_default_drivers();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = AnyConnection::connect(&self.database).await?;
            let done = work(&mut connection).await?;
            connection.close().await?;
            Ok(done)
        })
    }

    /// Starts a server, and waits until it listens.
    ///
    /// # Panics
    /// When it does not.
    pub fn serve(&self) -> Serving {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let log = self.path().join(format!("serve-{number}.log"));
        let mut command = self.command(&["serve", "--listen", ":0", "--rate-limit", "0"]);
        command.stdout(Stdio::piped()).stderr(File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").map(ToOwned::to_owned);
        let address = address.unwrap_or_else(|| panic!("{}", fs::read_to_string(&log).unwrap()));
        Serving { child, address, log }
    }

    /// Somebody who calls a server with the key.
    pub fn client(&self, serving: &Serving) -> Client {
        let (address, log) = (serving.address.clone(), serving.log.clone());
        Client { address, key: self.key.clone(), log, stream: None }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        quiet(&mut command);
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        command.env("LESSOR_DATABASE_URL", &self.database);
        command
    }
}

impl Serving {
    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its number among all processes.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it as a loss of power would.
    ///
    /// # Panics
    /// When it had ended by itself.
    pub fn kill(mut self) {
        assert_eq!(self.child.try_wait().unwrap(), None, "it ended: {}", self.log());
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops it where it stands.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on as if nothing had been.
    pub fn wake(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().cast_signed()), signal).unwrap();
    }
}

#[expect(clippy::print_stdout, reason = "a test that failed says what happened")]
impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nobody to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            println!("the server's last words:\n{}", last_lines(&self.log));
        }
    }
}

impl Client {
    /// Calls; an error is that nobody answered to the end.
    ///
    /// # Errors
    /// When the connection does not come about, or breaks.
    pub fn call(
        &mut self,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> io::Result<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect()?,
        };
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n",
            self.address, self.key
        );
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            head += "content-type: application/json\r\n";
        }
        head += &format!("content-length: {}\r\n\r\n{body}", body.len());
        stream.get_mut().write_all(head.as_bytes())?;
        let answer = Answer::read(&mut stream)?;
        // What broke is not used again: only a whole answer leaves the connection to the next call.
        if answer.headers.get("connection").is_none_or(|said| said != "close") {
            self.stream = Some(stream);
        }
        Ok(answer)
    }

    /// As [`Client::call`], and once more whenever the server says that it is not possible right now:
    /// a machine that is busy with other things is no reason for a test to fail.
    ///
    /// # Errors
    /// See [`Client::call`].
    pub fn call_patiently(
        &mut self,
        what: (&str, &str),
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> io::Result<Answer> {
        let began = Instant::now();
        loop {
            let answer = self.call(what, headers, body)?;
            if answer.status != 503 || began.elapsed() > PATIENCE {
                return Ok(answer);
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// What is there.
    ///
    /// # Panics
    /// When there is nothing, or nobody answers.
    pub fn get(&mut self, path: &str) -> Value {
        let answer = self.call_patiently(("GET", path), &[], None).unwrap();
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    }

    /// Gives a tenant money.
    ///
    /// # Panics
    /// When it cannot be given.
    pub fn pay(&mut self, tenant: &str, amount: &str) {
        let body = serde_json::json!({ "currency": "EUR", "amount": amount, "memo": "a payment" });
        let path = format!("/v1/tenants/{tenant}/credits");
        let key = format!("pay-{tenant}-{amount}");
        let key = [("idempotency-key", key.as_str())];
        let paid = self.call_patiently(("POST", &path), &key, Some(&body)).unwrap();
        assert_eq!(paid.status, 201, "{paid:?}");
    }

    /// Orders, so that the same name is the same request.
    ///
    /// # Errors
    /// See [`Client::call`].
    pub fn order(&mut self, tenant: &str, name: &str, offer: &str) -> io::Result<Answer> {
        let (key, body) = ordering(tenant, name, offer);
        self.call(("POST", "/v1/orders"), &[("idempotency-key", &key)], Some(&body))
    }

    /// As [`Client::order`], and [patiently](Client::call_patiently).
    ///
    /// # Errors
    /// See [`Client::call`].
    pub fn order_patiently(&mut self, tenant: &str, name: &str, offer: &str) -> io::Result<Answer> {
        let (key, body) = ordering(tenant, name, offer);
        self.call_patiently(("POST", "/v1/orders"), &[("idempotency-key", &key)], Some(&body))
    }

    /// What the server logged lately.
    pub fn log(&self) -> String {
        last_lines(&self.log)
    }

    /// All orders of a tenant.
    ///
    /// # Panics
    /// When nobody answers.
    pub fn orders(&mut self, tenant: &str) -> Vec<Value> {
        let (mut orders, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/v1/orders?tenant={tenant}&limit=200{cursor}"));
            orders.extend(page["items"].as_array().unwrap().iter().cloned());
            let Some(next) = page["next"].as_str() else { return orders };
            cursor = format!("&cursor={next}");
        }
    }

    /// What a tenant has in euros: what is there, and what of it is held.
    ///
    /// # Panics
    /// When nobody answers.
    pub fn wallet(&mut self, tenant: &str) -> (String, String) {
        let wallets = self.get(&format!("/v1/tenants/{tenant}/wallet"));
        let wallet = &wallets["items"][0];
        let text = |field: &str| wallet[field].as_str().unwrap_or("0").to_owned();
        (text("balance"), text("held"))
    }

    fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(BufReader::new(stream))
    }
}

impl Answer {
    fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Answer> {
        let broken = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let mut line = String::new();
        let mut next = || {
            line.clear();
            match stream.read_line(&mut line)? {
                0 => Err(broken()),
                _ => Ok(line.trim_end().to_owned()),
            }
        };
        let status = next()?.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut headers = BTreeMap::new();
        loop {
            let line = next()?;
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").map_or("0", String::as_str);
        let mut body = vec![0; length.parse().map_err(io::Error::other)?];
        stream.read_exact(&mut body)?;
        let body = serde_json::from_slice(&body)
            .unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned().into());
        Ok(Answer { status: status.ok_or_else(broken)?, headers, body })
    }
}

/// What tells an order from others, and the order.
fn ordering(tenant: &str, name: &str, offer: &str) -> (String, Value) {
    let body = serde_json::json!({ "tenant": tenant, "name": name, "offer": offer });
    (format!("order-{tenant}-{name}"), body)
}

/// The end of a log, for who did not get what was expected.
fn last_lines(log: &Path) -> String {
    let log = fs::read_to_string(log).unwrap_or_default();
    let last: Vec<_> = log.lines().rev().take(20).collect();
    last.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// Asks again and again until it is so.
///
/// # Panics
/// When it is not so within `patience`.
#[track_caller]
pub fn until(what: &str, patience: Duration, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < patience, "{what}: not within {patience:?}");
        thread::sleep(Duration::from_millis(20));
    }
}
