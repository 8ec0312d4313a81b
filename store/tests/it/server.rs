//! What is particular to a database that a PostgreSQL server keeps.

use insta::assert_snapshot;
use lessor_engine::{ApplyId, Clock as _};
use lessor_store::{Outcome, Store, StoreError, known_schema};

use crate::fixture::{Backend, Database, create_all};
use crate::postgres::Postgres;

#[tokio::test]
async fn many_may_open_an_empty_database_at_once() {
    let server = Postgres::new();
    let opens = (0..8).map(|_| {
        let url = server.url();
        tokio::spawn(async move { Store::open_serving(&url).await })
    });
    for open in opens.collect::<Vec<_>>() {
        open.await.unwrap().unwrap();
    }
    let last = server.sql("SELECT max(version) FROM _sqlx_migrations");
    assert_eq!(last, known_schema().to_string());
}

#[tokio::test]
async fn opening_for_looking_creates_nothing_where_there_is_nothing() {
    let server = Postgres::new();
    assert!(Store::open_read_only(&server.url()).await.unwrap().is_none());
    assert_eq!(server.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
}

#[tokio::test]
async fn what_was_opened_for_looking_cannot_be_written() {
    let database = Database::new(Backend::Postgres).await;
    create_all(&database.store, &["container.web"]).await;
    let looking = Store::open_read_only(&database.url()).await.unwrap().unwrap();
    assert_eq!(looking.applied_list().await.unwrap().len(), 1);
    let error = looking.apply_end(&ApplyId("none".into()), Outcome::Done).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn the_database_itself_refuses_to_change_the_journal() {
    let database = Database::new(Backend::Postgres).await;
    create_all(&database.store, &["container.web"]).await;
    let refused = |statement: &str| {
        let block = format!(
            "DO $$ BEGIN {statement}; EXCEPTION WHEN raise_exception THEN RAISE NOTICE 'no'; END $$"
        );
        database.server().sql(&block);
    };

    for statement in ["UPDATE entry SET phase = 'failed'", "DELETE FROM entry", "TRUNCATE entry"] {
        refused(statement);
    }

    assert_eq!(database.store.journal_list(None, 10).await.unwrap().len(), 2);
    let phases = database.server().sql("SELECT string_agg(phase, ' ' ORDER BY number) FROM entry");
    assert_eq!(phases, "started finished");
}

#[tokio::test]
async fn a_schema_of_another_lessor_is_refused_and_left_alone() {
    let database = Database::new(Backend::Postgres).await;
    let server = database.server();
    server.sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'from the future', TRUE, '', 0)",
    );
    let mut told = told_by_all(&server.url()).await;
    server.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    server.sql(
        "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT,
             installed_on TIMESTAMPTZ DEFAULT now(), success BOOLEAN, checksum BYTEA,
             execution_time BIGINT);
         INSERT INTO _sqlx_migrations VALUES (0, 'before the first', now(), TRUE, '', 0)",
    );
    told.extend(told_by_all(&server.url()).await);

    let known = format!("this one knows {}", known_schema());
    let reads = format!("this one reads {}", known_schema());
    let told = told.join("\n").replace(&known, "KNOWS").replace(&reads, "READS");
    assert_snapshot!(masked(&told, server), @"
    the database `postgres://lessor@ADDRESS/DATABASE` was written by a later lessor (schema 9999, KNOWS)
      hint: use the later lessor here too
    the database `postgres://lessor@ADDRESS/DATABASE` was written by a later lessor (schema 9999, KNOWS)
      hint: use the later lessor here too
    the database `postgres://lessor@ADDRESS/DATABASE` was written by a later lessor (schema 9999, KNOWS)
      hint: use the later lessor here too
    the database `postgres://lessor@ADDRESS/DATABASE` was written by an earlier lessor (schema 0, READS)
      hint: run `lessor db migrate` once nobody uses it with an earlier lessor any more
    the database `postgres://lessor@ADDRESS/DATABASE` was written by an earlier lessor (schema 0, READS)
      hint: run `lessor db migrate` once nobody uses it with an earlier lessor any more
    the database `postgres://lessor@ADDRESS/DATABASE` was written by an earlier lessor (schema 0, READS)
      hint: run `lessor db migrate` once nobody uses it with an earlier lessor any more
    ");
    assert_eq!(server.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "1");
}

async fn told_by_all(url: &str) -> Vec<String> {
    let errors = [
        Store::open(url).await.unwrap_err(),
        Store::open_serving(url).await.unwrap_err(),
        Store::open_read_only(url).await.unwrap_err(),
    ];
    errors.map(|error| told(&error)).into()
}

#[tokio::test]
async fn whoever_is_not_let_in_is_told_why_and_the_password_is_never_shown() {
    let server = Postgres::new();
    let url = server.url();
    let (before, host) = url.split_once('@').unwrap();
    let (_, password) = before.rsplit_once(':').unwrap();
    let (address, database) = host.split_once('/').unwrap();
    let wrong = [
        format!("postgres://lessor:wrong@{host}"),
        format!("postgres://nobody:{password}@{host}"),
        format!("{before}@{address}/nowhere"),
        // Nobody listens on the first port.
        format!("{before}@127.0.0.1:1/{database}"),
        format!("{url}?sslmode=verify-full"),
        format!("{url}?sslmode=perhaps"),
        format!("{before}@{address}9999999/{database}"),
    ];

    let mut all = Vec::new();
    for url in wrong {
        all.push(told(&Store::open(&url).await.unwrap_err()));
    }

    let all = all.join("\n");
    assert!(!all.contains(password) && !all.contains("wrong"), "{all}");
    let all = masked(&all, &server);
    // What exactly is wrong with the certificate is for its library to say.
    let lines = all.lines().map(|line| match line.split_once(" peer certificate: ") {
        Some((before, _)) => format!("{before} peer certificate: …"),
        None => line.to_owned(),
    });
    assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r#"
    the database `postgres://lessor@ADDRESS/DATABASE` does not let us in: password authentication failed for user "lessor"
      hint: see that the user is right, and the password: it stands in the address, in `PGPASSWORD` or in `~/.pgpass`
    the database `postgres://nobody@ADDRESS/DATABASE` does not let us in: password authentication failed for user "nobody"
      hint: see that the user is right, and the password: it stands in the address, in `PGPASSWORD` or in `~/.pgpass`
    the server has no database `postgres://lessor@ADDRESS/nowhere`
      hint: make an empty one, such as by `createdb nowhere`, or name another
    cannot reach the database `postgres://lessor@127.0.0.1:1/DATABASE`: Connection refused (os error 111)
      hint: see that PostgreSQL runs there, that it can be reached from here, and that `sslmode` in the address is what it asks for
    cannot reach the database `postgres://lessor@ADDRESS/DATABASE`: invalid peer certificate: …
      hint: see that PostgreSQL runs there, that it can be reached from here, and that `sslmode` in the address is what it asks for
    the address of the database cannot be read: unknown value "perhaps" for `ssl_mode`
      hint: name a file, `sqlite:` and a file, or `postgres://USER@HOST:PORT/DATABASE`
    the address of the database cannot be read: invalid port number
      hint: name a file, `sqlite:` and a file, or `postgres://USER@HOST:PORT/DATABASE`
    "#);
}

#[tokio::test]
async fn the_connection_is_encrypted_when_the_address_asks_for_it() {
    let database = Database::new(Backend::Postgres).await;
    let url = format!("{}?sslmode=require", database.url());
    let _store = Store::open(&url).await.unwrap();
    let encrypted = database.server().sql(
        "SELECT bool_or(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
         WHERE datname = current_database() AND application_name = 'lessor'",
    );
    assert_eq!(encrypted, "t");
}

#[tokio::test]
async fn the_time_is_that_of_the_server() {
    let database = Database::new(Backend::Postgres).await;
    let micros = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)";
    let micros = || database.server().sql(micros).parse::<i64>().unwrap();
    let (before, now, after) = (micros(), database.store.now().as_microsecond(), micros());
    assert!((before..=after).contains(&now), "{before} {now} {after}");
}

/// A message with its hint.
fn told(error: &StoreError) -> String {
    format!("{error}\n  hint: {}", error.hint().unwrap())
}

/// Without what differs from run to run.
fn masked(text: &str, server: &Postgres) -> String {
    let url = server.url();
    let (_, address) = url.split_once('@').unwrap();
    let (address, database) = address.split_once('/').unwrap();
    text.replace(address, "ADDRESS").replace(database, "DATABASE")
}
