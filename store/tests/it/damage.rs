//! Damaged files: what is read back is a beginning of what was written, or nothing.

use std::path::{Path, PathBuf};

use lessor_engine::Phase;
use lessor_store::{Recorded, Store, StoreError};

use crate::fixture::{BACKENDS, Database, create_all, scratch};

const NAMES: [&str; 3] = ["network.front", "volume.orders", "container.web"];

/// Bytes of a frame's header in the write-ahead log, and of the log's own.
const FRAME_HEADER: usize = 24;
const LOG_HEADER: usize = 32;

#[tokio::test]
async fn a_log_that_was_cut_short_holds_a_beginning_of_the_journal() {
    let database = Database::new(BACKENDS[0]).await;
    create_all(&database.store, &NAMES).await;
    let written = database.store.journal_list(None, 100).await.unwrap();
    let file = std::fs::read(database.store.path()).unwrap();
    let log = std::fs::read(companion(database.store.path(), "-wal")).unwrap();

    for length in cuts(&file, &log) {
        let (_directory, path) = scratch();
        std::fs::write(&path, &file).unwrap();
        std::fs::write(companion(&path, "-wal"), &log[..length]).unwrap();
        assert_beginning(&path, &written, &format!("{length} bytes of the log")).await;
    }
}

#[tokio::test]
async fn a_file_that_was_cut_short_is_whole_or_said_to_be_damaged() {
    let database = Database::new(BACKENDS[0]).await;
    create_all(&database.store, &NAMES).await;
    let written = database.store.journal_list(None, 100).await.unwrap();
    database.store.close().await;
    let file = std::fs::read(database.store.path()).unwrap();

    let edges = (0..=file.len()).step_by(4096).flat_map(|edge| [edge.saturating_sub(1), edge]);
    for length in edges.chain([1, 15, 16, 50, 99, 100, 101]) {
        let (_directory, path) = scratch();
        std::fs::write(&path, &file[..length]).unwrap();
        assert_beginning(&path, &written, &format!("{length} bytes of the file")).await;
    }
}

#[tokio::test]
async fn garbage_is_damage_and_the_way_out_is_named() {
    let (_directory, path) = scratch();
    std::fs::write(&path, "this is a letter, and no database\n".repeat(100)).unwrap();
    let url = path.to_str().unwrap();
    for error in
        [Store::open(url).await.unwrap_err(), Store::open_read_only(url).await.unwrap_err()]
    {
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains(url), "{error}");
        assert!(error.hint().unwrap().starts_with(&format!("move `{url}` away")));
    }
}

/// Opens a damaged database, and holds that what it gives was once written, from the beginning.
async fn assert_beginning(path: &Path, written: &[Recorded], case: &str) {
    let read = async {
        let store = Store::open(path.to_str().unwrap()).await?;
        let journal = store.journal_list(None, 100).await?;
        let applied = store.applied_list().await?;
        store.close().await;
        Ok((journal, applied))
    };
    match read.await {
        Ok((journal, applied)) => {
            assert!(written.starts_with(&journal), "{case}: {journal:?}");
            let finished = journal.iter().filter(|line| line.entry.phase == Phase::Finished);
            assert_eq!(applied.len(), finished.count(), "{case}: {applied:?}");
        }
        Err(StoreError::Corrupt { path: named, .. }) => assert_eq!(named, path, "{case}"),
        Err(other) => panic!("{case}: {other}"),
    }
}

/// Every edge of the log, one byte before it, and the middle of every part.
fn cuts(file: &[u8], log: &[u8]) -> Vec<usize> {
    let page = usize::from(u16::from_be_bytes([file[16], file[17]]));
    let frames = (LOG_HEADER..=log.len()).step_by(FRAME_HEADER + page);
    let inside = frames.flat_map(|edge| {
        [edge - 1, edge, edge + 1, edge + FRAME_HEADER, edge + FRAME_HEADER + page / 2]
    });
    [0, 1, LOG_HEADER / 2].into_iter().chain(inside).filter(|cut| *cut <= log.len()).collect()
}

fn companion(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
