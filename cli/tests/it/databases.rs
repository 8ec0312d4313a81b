//! Where things are remembered: on a server as well as in a file, and what `lessor db` says of both.

use std::process::Stdio;

use insta::assert_snapshot;

use crate::postgres::Postgres;
use crate::support::{NOTHING, RENT, Ran, Shop, WEB};

/// A directory whose database is on a server.
struct Served {
    shop: Shop,
    server: Postgres,
}

impl Served {
    fn new(specs: &str) -> Served {
        Served { shop: Shop::new(specs), server: Postgres::new() }
    }

    fn applied(specs: &str) -> Served {
        let served = Served::new(specs);
        let ran = served.lessor("apply --yes");
        assert_eq!(ran.code, 0, "{ran}");
        served
    }

    fn command(&self, args: &str) -> assert_cmd::Command {
        let mut command = self.shop.command(args);
        command.env("LESSOR_DATABASE_URL", self.server.url());
        command
    }

    fn lessor(&self, args: &str) -> Ran {
        self.shop.ran(&self.command(args).output().unwrap())
    }

    /// Leaves behind what a run does that is killed elsewhere: a lease that holds for ten seconds.
    fn leave_a_lease(&self) {
        self.server.sql(
            "UPDATE lease SET what = 'lessor apply', host = 'elsewhere', pid = 77,
                 token = token + 1, expires_at = 10000000
                     + CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)",
        );
    }

    /// Without the address that differs from run to run, nor the password in any case.
    fn shown(&self, ran: &Ran) -> String {
        let url = self.server.url();
        let (before, address) = url.split_once('@').unwrap();
        let (_, password) = before.rsplit_once(':').unwrap();
        let shown = ran.to_string();
        assert!(!shown.contains(password), "{shown}");
        without_schema(&shown.replace(address, "SERVER"))
    }
}

/// Without the number of the schema, and with only those rows that a run makes.
fn without_schema(told: &str) -> String {
    let known = lessor_store::known_schema();
    let told = told.replace(&format!(": {known}\n"), ": KNOWN\n");
    let told = told.replace(&format!("schema    {known},"), "schema    KNOWN,");
    let runs = ["rows      applied ", "rows      apply ", "rows      entry "];
    let is_kept =
        |line: &&str| !line.starts_with("rows") || runs.iter().any(|run| line.starts_with(run));
    told.lines().filter(is_kept).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_server_remembers_what_a_file_would() {
    let served = Served::new(RENT);
    assert_snapshot!(served.lessor("apply --yes"), @"
    + bridge.tenants/acme     local     new  subnet 10.64.0.0/28
    + image.local/paper:1.21  local     new
    + instance.acme/lobby     local     new  port 25565/tcp
    + volume.acme/lobby       local     new
    + offer.small             catalogue  new
    + tenant.acme             catalogue  new
    6 to add. No data is destroyed.
    err| 4 of 4 steps done
    exit 0
    ");
    assert!(!served.shop.path(".lessor").exists());
    served.shop.change("memory = \"1GiB\"", "memory = \"2GiB\"");
    assert_snapshot!(served.lessor("plan"), @"
    ~ instance.acme/lobby  local     memory changed
          memory: 1GiB → 2GiB
    ~ offer.small          catalogue  container.memory changed
          container.memory: 1GiB → 2GiB
    2 to change. No data is destroyed.
    exit 0
    ");
    assert_eq!(served.lessor("apply --yes").code, 0);
    served.shop.edit_host(|things| {
        for thing in things.iter_mut().filter(|thing| !thing["body"]["container"].is_null()) {
            thing["body"]["container"]["memory"] = "4GiB".into();
        }
    });
    assert_snapshot!(served.lessor("drift"), @"
    ! instance.acme/lobby  local     memory changed outside, will be set back
          memory: 4GiB → 2GiB
    1 drifted.
    exit 2
    ");
    let explained = served.lessor("explain instance.acme/lobby");
    assert!(explained.stdout.contains("25565"), "{explained}");
    assert_eq!(served.lessor("apply --yes").code, 0);
    assert_snapshot!(served.lessor("drift"), @"
    In sync: 3 things are as declared.
    exit 0
    ");
    let destroyed =
        served.lessor("destroy --yes --allow-removals 3 --destroy-data volume.acme/lobby");
    assert_eq!(destroyed.code, 0, "{destroyed}");
    assert_eq!(served.shop.host(), Vec::<String>::new());
}

#[test]
fn losing_a_database_on_a_server_loses_what_losing_a_file_does() {
    let served = Served::applied(RENT);
    served.server.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    assert_snapshot!(served.lessor("plan --detailed-exitcode"), @"
    + offer.small  catalogue  new
    + tenant.acme  catalogue  new
    2 to add. No data is destroyed.
    exit 2
    ");
    assert_eq!(served.lessor("apply --yes").code, 0);
    assert_eq!(served.server.sql("SELECT count(*) FROM claim"), "2");
}

#[test]
fn two_runs_at_once_do_what_one_does() {
    let served = Served::new(WEB);
    let runs: Vec<_> = (0..2)
        .map(|_| {
            let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_lessor"));
            run.args(["apply", "--yes"]).current_dir(served.shop.dir());
            run.env("LESSOR_DATABASE_URL", served.server.url()).env_remove("DOCKER_HOST");
            run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for run in runs {
        let ran = served.shop.ran(&run.wait_with_output().unwrap());
        assert_eq!(ran.code, 0, "{ran}");
    }
    let twice = "SELECT count(*) FROM (SELECT address FROM entry WHERE phase = 'finished'
                 GROUP BY address HAVING count(*) > 1) AS twice";
    assert_eq!(served.server.sql(twice), "0");
    assert_eq!(served.lessor("plan --detailed-exitcode").code, 0);
}

#[test]
fn a_run_waits_for_one_that_was_killed_until_its_time_has_run_out_and_says_so() {
    let served = Served::applied(WEB);
    served.shop.change("128MiB", "256MiB");
    served.leave_a_lease();
    let refused = served.lessor("apply --yes --lock-timeout 0s");
    assert_snapshot!(served.shown(&refused), @"
    err| error[E1310]: `docker.local` is in use by lessor apply (process 77 on `elsewhere`)
    err|   hint: wait for it to end, or allow more time with `--lock-timeout`
    exit 1
    ");

    served.leave_a_lease();
    let ran = served.lessor("apply --yes --lock-timeout 5m");

    assert_eq!(ran.code, 0, "{ran}");
    let waiting = "waiting for `docker.local`, in use by lessor apply (process 77 on `elsewhere`)";
    assert!(ran.stderr.contains(waiting), "{}", ran.stderr);
}

#[test]
fn what_keeps_us_from_a_database_has_a_code() {
    let served = Served::applied(WEB);
    let url = served.server.url();
    let (base, _) = url.rsplit_once('/').unwrap();
    let (user, address) = base.split_once('@').unwrap();
    let (user, _) = user.rsplit_once(':').unwrap();
    let mut told = Vec::new();
    for database in [
        "mysql://db.example.net".to_owned(),
        format!("{base}/nothing"),
        format!("{user}:wrong@{address}/postgres"),
    ] {
        let mut command = served.shop.command("plan");
        command.env("LESSOR_DATABASE_URL", database);
        told.push(served.shown(&served.shop.ran(&command.output().unwrap())));
    }
    served.server.sql("UPDATE _sqlx_migrations SET version = 4711 WHERE version = 1");
    let later = served.lessor("plan").stderr;
    told.push(later.split_once(" (schema").unwrap().0.to_owned());
    let told =
        told.join("\n").replace(address, "SERVER").replace(&url[url.rfind('/').unwrap()..], "/DB");
    assert_snapshot!(told, @r#"
    err| error[E1301]: `mysql://…` is no database this lessor can open
    err|   hint: name a file, `sqlite:` and a file, or `postgres://USER@HOST:PORT/DATABASE`
    exit 1
    err| error[E1305]: the server has no database `postgres://lessor@SERVER/nothing`
    err|   hint: make an empty one, such as by `createdb nothing`, or name another
    exit 1
    err| error[E1304]: the database `postgres://lessor@SERVER/postgres` does not let us in: password authentication failed for user "lessor"
    err|   hint: see that the user is right, and the password: it stands in the address, in `PGPASSWORD` or in `~/.pgpass`
    exit 1
    error[E1307]: the database `postgres://lessor@SERVER/DB` was written by a later lessor
    "#);
}

#[test]
fn a_database_says_what_it_is_and_what_is_in_it() {
    let served = Served::new(NOTHING);
    assert_snapshot!(served.shown(&served.lessor("db status")), @"
    database  postgres://lessor@SERVER
    schema    none; the first `lessor apply` makes it
    exit 0
    ");
    assert_snapshot!(served.shown(&served.lessor("db migrate")), @"
    made the schema of `postgres://lessor@SERVER`: KNOWN
    exit 0
    ");
    assert_snapshot!(served.shown(&served.lessor("db migrate")), @"
    the schema of `postgres://lessor@SERVER` is current: KNOWN
    exit 0
    ");
    served.shop.write("web.toml", WEB);
    assert_eq!(served.lessor("apply --yes").code, 0);
    let status = served.shown(&served.lessor("db status"));
    assert_snapshot!(status, @"
    database  postgres://lessor@SERVER
    schema    KNOWN, which is current
    last run  RUN, of revision 1, done at DATE
    rows      applied 4
    rows      apply 1
    rows      entry 8
    exit 0
    ");
    assert_snapshot!(served.shown(&served.lessor("db verify")), @"
    sound: the database itself
    sound: revisions and their specs
    sound: what is applied and the journal
    sound: what is given out
    sound: the rest of what runs remember
    sound: the chain of audit events
    sound: the ledger
    exit 0
    ");
    assert_snapshot!(served.shown(&served.lessor("db backup copy.dump")), @"
    err| error: a server keeps `postgres://lessor@SERVER`, and has a command of its own for that
    err|   hint: run `pg_dump --format=custom --file=copy.dump 'postgres://lessor@SERVER'`
    exit 1
    ");
    assert_snapshot!(served.shown(&served.lessor("doctor")), @"
    ok      specs         4 entries are valid
    ok      lessor.toml   the installation is `test-1`
    ok      database      `postgres://lessor@SERVER` is there, and its schema is current
    ok      secrets       none are referred to
    ok      docker.local  a pretend Docker host answers
    5 ok, 0 warnings.
    exit 0
    ");

    let shop = Shop::applied(WEB);
    let in_a_file = without_schema(&shop.lessor("db status").to_string());
    let rest = |status: &str| status.split_once('\n').unwrap().1.to_owned();
    assert_eq!(rest(&in_a_file), rest(&status));
    assert_snapshot!(in_a_file.lines().next().unwrap(), @"database  DIR/.lessor/lessor.db");
}

#[test]
fn a_database_in_a_file_is_verified_and_copied_and_no_copy_takes_the_place_of_another_file() {
    let shop = Shop::new(WEB);
    assert_snapshot!(shop.lessor("db status"), @"
    database  DIR/.lessor/lessor.db, which is not there yet
    exit 0
    ");
    assert_snapshot!(shop.lessor("db verify"), @"
    err| error: there is no database at `DIR/.lessor/lessor.db`
    err|   hint: `lessor apply` makes it, or name another by `--database`
    exit 1
    ");
    assert_eq!(shop.lessor("apply --yes").code, 0);
    assert_snapshot!(shop.lessor("db backup copy.db"), @"
    err| copied `DIR/.lessor/lessor.db` to `copy.db`
    exit 0
    ");
    assert_snapshot!(shop.lessor("db backup copy.db"), @"
    err| error: there is `copy.db` already
    exit 1
    ");
    assert_snapshot!(shop.lessor("db backup nowhere/copy.db"), @"
    err| error[E1302]: cannot use the database `nowhere/copy.db`: No such file or directory (os error 2)
    err|   hint: see that the disk has room and that this user may write in `nowhere`
    exit 1
    ");
    std::fs::remove_dir_all(shop.path(".lessor")).unwrap();
    std::fs::create_dir(shop.path(".lessor")).unwrap();
    std::fs::copy(shop.path("copy.db"), shop.path(".lessor/lessor.db")).unwrap();
    assert_snapshot!(shop.lessor("db verify"), @"
    sound: the database itself
    sound: revisions and their specs
    sound: what is applied and the journal
    sound: what is given out
    sound: the rest of what runs remember
    sound: the chain of audit events
    sound: the ledger
    exit 0
    ");
    assert_eq!(shop.lessor("plan --detailed-exitcode").code, 0);
}
