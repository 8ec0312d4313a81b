//! Text of unknown origin, made fit to be shown.

use std::borrow::Cow;

/// The text with everything written out that could not be seen or would do something: control
/// characters, those that change the direction of writing, and those without any width.
///
/// A name that only looks like another then looks different, and no file can speak to a terminal.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::with_capacity(text.len()), |mut shown, letter| {
        match letter {
            '"' | '\'' | '\\' => shown.push(letter),
            // Behind another letter, an accent that combines with it counts as seen.
            _ => shown.extend(format!("x{letter}").escape_debug().skip(1)),
        }
        shown
    }))
}

/// As [`visible`], where line breaks are meant.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    if !text.contains('\n') {
        return visible(text);
    }
    Cow::Owned(text.split('\n').map(visible).collect::<Vec<_>>().join("\n"))
}

/// The most that is shown of one message.
const MESSAGE_MAX: usize = 400;

/// How much of a longer one is shown from its end, where it says what is wrong.
const MESSAGE_END: usize = 150;

/// A message as it is shown: visible, and without the middle of a name nobody would read.
pub(crate) fn shown(message: &str) -> String {
    let letters = message.chars().count();
    if letters <= MESSAGE_MAX {
        return visible(message).into_owned();
    }
    let begin: String = message.chars().take(MESSAGE_MAX - MESSAGE_END).collect();
    let end: String = message.chars().skip(letters - MESSAGE_END).collect();
    format!("{} … {}", visible(&begin), visible(&end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_or_would_do_something_is_written_out() {
        for (text, expected) in [
            ("plain `name` with \"quotes\" and \\", "plain `name` with \"quotes\" and \\"),
            ("Zürich, e\u{301}té, 東京 → ±", "Zürich, e\u{301}té, 東京 → ±"),
            ("\u{1b}[31mred\u{7}\0", "\\u{1b}[31mred\\u{7}\\0"),
            ("ad\u{202e}nimda\u{200b}\u{feff}", "ad\\u{202e}nimda\\u{200b}\\u{feff}"),
            ("one\ntwo\r\tthree", "one\\ntwo\\r\\tthree"),
        ] {
            assert_eq!(visible(text), expected);
        }
        assert_eq!(visible_lines("one\n\u{7}two\n"), "one\n\\u{7}two\n");
    }

    #[test]
    fn of_a_long_message_both_ends_are_shown() {
        let shown = shown(&format!("there is no kind `{}` here", "k".repeat(1_000_000)));
        assert!(shown.starts_with("there is no kind `kkk") && shown.ends_with("kkk` here"));
        assert_eq!(shown.chars().count(), MESSAGE_MAX + 3);
    }
}
