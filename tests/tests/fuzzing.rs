//! What was kept of fuzzing, and changes made to it by chance.
//!
//! `LESSOR_SEED` gives the same changes again; what breaks a promise is shown at its smallest.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says so by stopping, and how to do the same again"
)]

use std::fs;
use std::path::Path;

use lessor_tests::engine::seed;
use lessor_tests::fuzz::{TARGETS, Target};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};

/// An input larger than this would take the time of many.
const LARGE: usize = 16 << 10;

/// The inputs of a target: those that were kept and, for specs, the examples.
fn inputs(target: Target) -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut directories = vec![root.join("fuzz/corpus").join(target.name)];
    if target.name == "specs" {
        let examples = fs::read_dir(root.join("examples")).unwrap();
        directories.extend(examples.map(|e| e.unwrap().path()).filter(|path| path.is_dir()));
    }
    let files = directories.iter().flat_map(|directory| fs::read_dir(directory).unwrap());
    let mut inputs: Vec<_> = files
        .map(|file| file.unwrap().path())
        // Whoever tried an example left there what lessor remembers of it.
        .filter(|path| path.is_file())
        .map(|path| (path.display().to_string(), fs::read(path).unwrap()))
        .collect();
    inputs.sort();
    assert!(inputs.len() > 10, "{} has {} inputs", target.name, inputs.len());
    inputs
}

#[test]
fn every_input_that_was_kept_is_read_or_refused() {
    for target in TARGETS {
        for (name, bytes) in inputs(target) {
            println!("{name}");
            (target.run)(&bytes);
        }
    }
}

#[test]
fn specs_changed_by_chance_are_read_or_refused() {
    change(TARGETS[0]);
}

#[test]
fn saved_plans_changed_by_chance_are_read_or_refused() {
    change(TARGETS[1]);
}

#[test]
fn rows_changed_by_chance_are_read_or_refused() {
    change(TARGETS[2]);
}

#[test]
fn quantities_changed_by_chance_are_read_or_refused() {
    change(TARGETS[3]);
}

#[test]
fn values_of_proxmox_changed_by_chance_are_read_or_refused() {
    change(TARGETS[4]);
}

#[test]
fn orders_changed_by_chance_are_read_or_refused() {
    change(TARGETS[5]);
}

fn change(target: Target) {
    let seed = seed();
    println!("LESSOR_SEED={seed} {}", target.name);
    let inputs = inputs(target).into_iter().map(|(_, bytes)| bytes);
    let inputs: Vec<_> = inputs.filter(|bytes| bytes.len() <= LARGE).collect();
    let changed = (select(inputs.clone()), vec(edit(inputs), 1..6))
        .prop_map(|(bytes, edits)| edits.iter().fold(bytes, |bytes, edit| edit.applied(&bytes)));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let result = TestRunner::new_with_rng(config, rng).run(&changed, |bytes| {
        (target.run)(&bytes);
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(why, bytes)) => {
            panic!("{} of {}: {why}", bytes.escape_ascii(), target.name)
        }
        Err(TestError::Abort(why)) => panic!("{}: {why}", target.name),
    }
}

/// One change: what stands at a place is replaced.
#[derive(Clone, Debug)]
struct Edit {
    at: Index,
    length: usize,
    by: Vec<u8>,
}

impl Edit {
    fn applied(&self, bytes: &[u8]) -> Vec<u8> {
        let from = self.at.index(bytes.len() + 1);
        let to = bytes.len().min(from + self.length);
        [&bytes[..from], &self.by, &bytes[to..]].concat()
    }
}

fn edit(inputs: Vec<Vec<u8>>) -> impl Strategy<Value = Edit> {
    let piece = (select(inputs), any::<Index>(), 1..200_usize).prop_map(|(bytes, at, length)| {
        let from = at.index(bytes.len() + 1);
        bytes[from..bytes.len().min(from + length)].to_vec()
    });
    let word = select(WORDS).prop_map(|word| word.as_bytes().to_vec());
    let many =
        (select(WORDS), 1..300_usize).prop_map(|(word, times)| word.repeat(times).into_bytes());
    let by = prop_oneof![
        2 => Just(Vec::new()),
        4 => word,
        1 => many,
        3 => piece,
        1 => vec(any::<u8>(), 1..4),
    ];
    let length = prop_oneof![3 => Just(0), 3 => 1..4_usize, 1 => 1..100_usize];
    (any::<Index>(), length, by).prop_map(|(at, length, by)| Edit { at, length, by })
}

/// What those who read stumble over.
const WORDS: &[&str] = &[
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "\\",
    "\\u0000",
    "\\ud800",
    "\n",
    "\r",
    "\r\n",
    "\t",
    " ",
    "\0",
    "\u{1c}",
    "\u{feff}",
    "\u{200b}",
    "\u{202e}",
    "\u{1b}[2J",
    "ü",
    "e\u{301}",
    "１",
    "😀",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ".",
    ",",
    ":",
    "/",
    "-",
    "#",
    "_",
    "0",
    "-1",
    "00",
    "0x",
    "65535",
    "65536",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "-9223372036854775808",
    "1e309",
    "0.0000001",
    "nan",
    "inf",
    "true",
    "null",
    "1979-05-27T07:32:00Z",
    "9999-12-31T23:59:59Z",
    "0.0.0.0/0",
    "::",
    "255.255.255.255",
    "TiB",
    "GiB",
    "1d",
    "secret://env/",
    "secret://file/x",
    "memory:",
    "tcp://",
    "../..",
    "container.",
    "instance.a/b",
    "moved = ",
    "depends_on = ",
    "networks = ",
    "ports = ",
    "[docker.a]\n",
    "[container.a]\nimage = \"i\"\n",
    "[network.a]\n",
    "[policy.gate]\n",
];
