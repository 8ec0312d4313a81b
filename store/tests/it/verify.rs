//! What can be said of a database as such: its schema, what it holds, whether it fits together.

use std::os::unix::fs::PermissionsExt as _;

use insta::assert_snapshot;
use lessor_store::{Location, Store, StoreError, known_schema};
use sqlx::migrate::Migrator;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use crate::fixture::{BACKENDS, Backend, Database, Plan, create_all, lease, patient, scratch};
use crate::postgres::Postgres;

static SQLITE: Migrator = sqlx::migrate!("../migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../migrations/postgres");

/// What somebody did behind our back.
const VANDALISM: [&str; 5] = [
    "UPDATE applied SET body = 'else' WHERE address = 'container.web'",
    "DELETE FROM applied WHERE address = 'volume.orders'",
    "UPDATE tree SET files = '{}'",
    "UPDATE claim SET sole = NULL WHERE pool = 'port_range.games'",
    "UPDATE keep SET address = 'nobody wrote this'",
];

#[tokio::test]
async fn what_does_not_fit_together_is_found() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        create_all(store, &["network.front", "volume.orders", "container.web"]).await;
        let plan = Plan::new("second", 1)
            .claim("port_range.games", "instance.acme/a:25565/tcp", "25570")
            .claim("docker", "instance.acme/a", "par1")
            .keep("volume.old", 3600);
        store.apply_begin(plan.begin()).await.unwrap();
        assert_eq!(store.verify().await.unwrap().wrong, Vec::<String>::new());

        for statement in VANDALISM {
            database.run(statement).await.unwrap();
        }

        let verdict = store.verify().await.unwrap();
        let trees = [Plan::new("first", 0), Plan::new("second", 1)].map(|plan| plan.tree.digest());
        let mut wrong = verdict.wrong.join("\n");
        for digest in trees {
            assert!(wrong.contains(&digest), "{wrong}");
            wrong = wrong.replace(&digest, "DIGEST");
        }
        assert!(!verdict.is_sound());
        insta::allow_duplicates! {
            assert_snapshot!(wrong, @"
            revisions and their specs: the specs under `DIGEST` are others by now
            revisions and their specs: the specs under `DIGEST` are others by now
            what is applied and the journal: what is applied of `container.web` is not what the journal says
            what is applied and the journal: what is applied of `volume.orders` is not what the journal says
            what is given out: `25570` of `port_range.games`, given to `instance.acme/a:25565/tcp`, could be given to another as well
            the rest of what runs remember: column `address` cannot be read: expected an address such as `container.web`
            ");
        }
    }
}

#[tokio::test]
async fn what_a_database_holds_is_told() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let apply = create_all(&database.store, &["container.web"]).await;
        let _held = lease(&database.store, patient()).await;

        let status = Store::status(&database.url()).await.unwrap().unwrap();

        assert_eq!(status.schema, Some(known_schema()));
        assert_eq!((status.rows["entry"], status.rows["applied"], status.rows["claim"]), (2, 1, 0));
        assert_eq!(status.last.unwrap().id, apply);
        assert_eq!(status.leases[0].holder.pid, std::process::id());
        assert!(status.rows.keys().all(|table| !table.starts_with(['_'])), "{:?}", status.rows);
    }
    let (_directory, nowhere) = scratch();
    assert_eq!(Store::status(nowhere.to_str().unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn an_earlier_schema_is_brought_up_to_date_where_that_is_asked_for() {
    let server = Postgres::new();
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    POSTGRES.run_to(1, &mut connection).await.unwrap();
    let (_directory, path) = scratch();
    std::fs::write(&path, "").unwrap();
    let file = path.to_str().unwrap();
    let mut connection = SqliteConnection::connect(&format!("sqlite:{file}")).await.unwrap();
    SQLITE.run_to(1, &mut connection).await.unwrap();
    connection.close().await.unwrap();

    // Whoever serves changes nothing, and a run leaves alone what others may use.
    for (url, refused) in [
        (file, Store::open_serving(file).await),
        (&*server.url(), Store::open_serving(&server.url()).await),
        (&*server.url(), Store::open(&server.url()).await),
    ] {
        let error = refused.unwrap_err();
        assert!(matches!(error, StoreError::Older { found: 1, .. }), "{error}");
        assert_eq!(Store::status(url).await.unwrap().unwrap().schema, Some(1));
    }
    for url in [file, &*server.url()] {
        let migrated = Store::migrate(url).await.unwrap();
        assert_eq!(migrated.schema().await.unwrap(), Some(known_schema()));
        Store::open_serving(url).await.unwrap();
    }
}

#[tokio::test]
async fn a_copy_is_whole_for_its_user_only_and_in_nobodys_place() {
    let database = Database::new(Backend::Sqlite).await;
    create_all(&database.store, &["container.web"]).await;
    let (directory, copy) = scratch();
    // Beside a writer that is at work.
    let looking = Store::open_read_only(&database.url()).await.unwrap().unwrap();

    looking.backup(&copy).await.unwrap();

    let copied = Store::open_read_only(copy.to_str().unwrap()).await.unwrap().unwrap();
    let journal = database.store.journal_list(None, 10).await.unwrap();
    assert_eq!(copied.journal_list(None, 10).await.unwrap(), journal);
    copied.close().await;
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let before = std::fs::read(&copy).unwrap();
    let error = looking.backup(&copy).await.unwrap_err();
    assert_eq!(error.to_string(), format!("there is `{}` already", copy.display()));
    assert!(std::fs::read(&copy).unwrap() == before);
    assert_eq!(directory.path().read_dir().unwrap().count(), 1, "nothing else is left behind");
    assert_eq!(looking.applied_list().await.unwrap().len(), 1, "it can be looked at as before");
}

#[tokio::test]
async fn a_server_has_a_command_of_its_own_for_copies() {
    let database = Database::new(Backend::Postgres).await;
    assert!(matches!(database.store.location(), Location::Server { .. }));
    let (_directory, copy) = scratch();
    let error = database.store.backup(&copy).await.unwrap_err();
    assert!(error.to_string().ends_with("`pg_dump` copies it"), "{error}");
    assert!(!copy.exists());
}
