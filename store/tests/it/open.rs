//! Opening a database: what comes to be, what does not, and what is refused.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use lessor_engine::ApplyId;
use lessor_store::{Outcome, Store, StoreError, known_schema};
use sqlx::Connection as _;

use crate::fixture::{Backend, Database, create_all, scratch};

#[tokio::test]
async fn a_new_database_is_for_its_user_only() {
    let database = Database::new(Backend::Sqlite).await;
    let path = database.path();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
}

#[tokio::test]
async fn many_may_open_a_new_database_at_once() {
    let (_directory, path) = scratch();
    let opens = (0..8).map(|_| {
        let path = path.clone();
        tokio::spawn(async move { Store::open(path.to_str().unwrap()).await })
    });
    for open in opens.collect::<Vec<_>>() {
        open.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_looks_while_a_database_is_made_sees_none_or_all_of_it() {
    for _ in 0..10 {
        let (_directory, path) = scratch();
        let url = path.to_str().unwrap().to_owned();
        let made = tokio::spawn({
            let url = url.clone();
            async move { Store::open(&url).await.unwrap() }
        });
        while !made.is_finished() {
            if let Some(looking) = Store::open_read_only(&url).await.unwrap() {
                assert_eq!(looking.schema().await.unwrap(), Some(known_schema()));
                looking.close().await;
            }
        }
        made.await.unwrap().close().await;
    }
}

#[tokio::test]
async fn opening_for_looking_creates_nothing_where_there_is_nothing() {
    let (directory, path) = scratch();
    let inside = path.parent().unwrap().join(".lessor/lessor.db");
    assert!(Store::open_read_only(inside.to_str().unwrap()).await.unwrap().is_none());
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn looking_leaves_the_files_as_they_were() {
    let database = Database::new(Backend::Sqlite).await;
    create_all(&database.store, &["container.web"]).await;
    let path = database.path();
    let url = database.url();

    // Beside a writer that is at work.
    let beside = database.files();
    let looking = Store::open_read_only(&url).await.unwrap().unwrap();
    assert_eq!(looking.applied_list().await.unwrap().len(), 1);
    looking.close().await;
    assert_eq!(database.files(), beside);

    // Alone.
    database.store.close().await;
    let (alone, bytes) = (database.files(), std::fs::read(&path).unwrap());
    let looking = Store::open_read_only(&url).await.unwrap().unwrap();
    assert_eq!(looking.applied_list().await.unwrap().len(), 1);
    looking.close().await;
    assert_eq!((database.files(), std::fs::read(&path).unwrap()), (alone, bytes));
}

#[tokio::test]
async fn where_nothing_can_be_written_beside_it_a_copy_is_looked_at() {
    let database = Database::new(Backend::Sqlite).await;
    create_all(&database.store, &["container.web"]).await;
    database.store.close().await;
    // A link to nowhere, in the place of a file that SQLite needs, stops root as well.
    let mut needed = database.path().into_os_string();
    needed.push("-wal");
    std::os::unix::fs::symlink("nowhere/wal", needed).unwrap();
    let before = std::fs::read(database.path()).unwrap();

    let looking = Store::open_read_only(&database.url()).await.unwrap().unwrap();

    assert_eq!(looking.applied_list().await.unwrap().len(), 1);
    let named = looking.location().path();
    assert_eq!(named, Some(&*database.path()), "messages name the database, not its copy");
    looking.close().await;
    assert!(std::fs::read(database.path()).unwrap() == before, "the database was changed");
}

#[tokio::test]
async fn what_was_opened_for_looking_cannot_be_written() {
    let database = Database::new(Backend::Sqlite).await;
    let looking = Store::open_read_only(&database.url()).await.unwrap().unwrap();
    let apply = ApplyId("none".into());
    let error = looking.apply_end(&apply, Outcome::Done).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_deleted_database_begins_anew() {
    let database = Database::new(Backend::Sqlite).await;
    create_all(&database.store, &["container.web"]).await;
    database.store.close().await;
    std::fs::remove_dir_all(database.path().parent().unwrap()).unwrap();

    let again = database.another().await;

    assert!(again.applied_list().await.unwrap().is_empty());
    assert_eq!(again.revision_latest().await.unwrap(), None);
}

#[tokio::test]
async fn a_schema_from_a_later_lessor_is_refused_and_left_alone() {
    let database = Database::new(Backend::Sqlite).await;
    database.store.close().await;
    later_schema(&database.url()).await;
    let before = std::fs::read(database.path()).unwrap();

    for error in [
        Store::open(&database.url()).await.unwrap_err(),
        Store::open_read_only(&database.url()).await.unwrap_err(),
    ] {
        let text = format!(
            "the database `{}` was written by a later lessor (schema 9999, this one knows {})",
            database.path().display(),
            known_schema()
        );
        assert_eq!(error.to_string(), text);
    }
    assert_eq!(std::fs::read(database.path()).unwrap(), before);
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_named() {
    let (directory, _) = scratch();
    let parent = unwritable(directory.path());
    let path = parent.join(".lessor/lessor.db");

    let error = Store::open(path.to_str().unwrap()).await.unwrap_err();

    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    let directory = path.parent().unwrap().display().to_string();
    assert!(error.to_string().contains(&directory), "{error}");
    assert!(error.hint().unwrap().contains("this user may write"));
}

/// A directory nobody can write to: the given one without the permission, or, for a user whom
/// permissions do not stop, one of the kernel's own.
fn unwritable(directory: &Path) -> std::path::PathBuf {
    std::fs::set_permissions(directory, PermissionsExt::from_mode(0o500)).unwrap();
    match std::fs::write(directory.join("probe"), "") {
        Ok(()) => "/proc/self".into(),
        Err(_) => directory.to_owned(),
    }
}

async fn later_schema(path: &str) {
    let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite:{path}")).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'from the future', TRUE, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
}
