//! A command on another machine: what it is given, and what is heard of it.

use std::time::Duration;

/// How much of what a command writes is kept, of each of its two outputs. What it is asked for is far
/// less; a machine may be in anybody's hands.
const KEPT_BYTES: usize = 256 * 1024;

/// A command.
#[derive(Clone, Copy)]
pub(crate) struct Command<'c> {
    /// The program and its arguments, as the program gets them.
    pub(crate) argv: &'c [&'c str],
    /// What it can read.
    pub(crate) input: &'c [u8],
    /// How long it may take.
    pub(crate) deadline: Duration,
}

/// What was heard of a command.
#[derive(Debug)]
pub(crate) struct Heard {
    /// What it wrote; the rest of very much is left out.
    pub(crate) stdout: Vec<u8>,
    /// What it wrote to where errors go; the beginning of very much is left out.
    pub(crate) stderr: Vec<u8>,
    /// How it ended.
    pub(crate) end: End,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself, with this code.
    Exited(i64),
    /// It did not, in the time it had. It may go on.
    Late,
    /// Nobody knows: nothing is heard of it any more.
    Lost(String),
}

impl Heard {
    /// Nothing yet.
    pub(crate) fn nothing() -> Self {
        let end = End::Lost("nothing was heard of it".into());
        Heard { stdout: Vec::new(), stderr: Vec::new(), end }
    }

    /// It wrote something.
    pub(crate) fn out(&mut self, bytes: &[u8]) {
        let room = KEPT_BYTES.saturating_sub(self.stdout.len());
        self.stdout.extend(bytes.iter().take(room));
    }

    /// It wrote something to where errors go.
    pub(crate) fn err(&mut self, bytes: &[u8]) {
        self.stderr.extend(bytes);
        let over = self.stderr.len().saturating_sub(KEPT_BYTES);
        self.stderr.drain(..over);
    }
}

/// Words for a shell, each in quotes: nothing in them has a meaning to it.
pub(crate) fn quoted(words: &[&str]) -> String {
    let quoted = words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''")));
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_has_a_meaning_to_a_shell() {
        for word in ["", "a b", "$(id)", "it's", "`id`", "a\nb", "'; id; '", "\\", "*"] {
            let script = format!("printf %s {}", quoted(&[word]));
            let ran = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(ran.stdout).unwrap(), word);
        }
    }

    #[test]
    fn the_beginning_of_an_output_is_kept_and_the_end_of_errors() {
        let mut heard = Heard::nothing();
        for byte in [b'a', b'b'] {
            heard.out(&vec![byte; KEPT_BYTES]);
            heard.err(&vec![byte; KEPT_BYTES]);
        }
        assert_eq!((heard.stdout.len(), heard.stdout.last()), (KEPT_BYTES, Some(&b'a')));
        assert_eq!((heard.stderr.len(), heard.stderr.first()), (KEPT_BYTES, Some(&b'b')));
    }
}
