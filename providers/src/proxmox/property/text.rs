//! Values of a guest that are text, and when two of them mean the same.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;

use crate::proxmox::client::encoded;

/// The tags in a text, however they are parted. They are kept in lower case unless the datacenter
/// says otherwise.
pub fn tags(text: &str, case_counts: bool) -> BTreeSet<String> {
    let parts = text.split([',', ';', ' ', '\t', '\n', '\0']).filter(|part| !part.is_empty());
    parts.map(|tag| if case_counts { tag.to_owned() } else { tag.to_lowercase() }).collect()
}

/// Tags as they are kept. Where there are none, the key is to be deleted: an empty text would be
/// kept as a blank.
pub fn tags_text(tags: &BTreeSet<String>) -> Option<String> {
    let text = tags.iter().map(String::as_str).collect::<Vec<_>>().join(";");
    (!text.is_empty()).then_some(text)
}

/// Whether a tag can be kept at all.
pub fn is_tag(text: &str) -> bool {
    let mut signs = text.chars();
    let is_first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    signs.next().is_some_and(is_first) && signs.all(|c| is_first(c) || matches!(c, '.' | '+' | '-'))
}

/// A description without the line breaks at its end: machines lose them, and containers gain one.
pub fn description(text: &str) -> &str {
    text.trim_end_matches('\n')
}

/// Public keys, one a line, as they have to be given and are read back. They are encoded once more
/// on their way, as everything is.
pub fn ssh_keys(lines: &str) -> String {
    encoded(lines.trim_end_matches('\n'))
}

/// Public keys, one a line, from what was read back; `None` when it is not text.
pub fn ssh_keys_read(kept: &str) -> Option<String> {
    let lines = percent_decode_str(kept).decode_utf8().ok()?;
    Some(lines.trim_end_matches('\n').to_owned())
}

/// How many bytes a size is: `1536M`, `1.5G`, or bytes. What is less than a byte is dropped.
pub fn size_bytes(text: &str) -> Option<u128> {
    let (digits, unit) = match text.char_indices().last()? {
        (at, 'K') => (&text[..at], 10),
        (at, 'M') => (&text[..at], 20),
        (at, 'G') => (&text[..at], 30),
        (at, 'T') => (&text[..at], 40),
        _ => (text, 0),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let number = |text: &str| {
        // More would be neither a size nor exact.
        let is_number = (1..=20).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
        is_number.then(|| text.parse::<u128>().ok()).flatten()
    };
    let scale = 10_u128.pow(u32::try_from(part.len()).ok()?.min(20));
    let (whole, part) = (number(whole)?, number(part)?);
    Some((whole << unit) + (part << unit) / scale)
}

/// A size in the largest unit that it is a whole number of, as it is read back.
pub fn size_text(bytes: u64) -> String {
    let units = [(40, "T"), (30, "G"), (20, "M"), (10, "K")];
    let whole = |shift: &u32| bytes > 0 && bytes.trailing_zeros() >= *shift;
    match units.iter().find(|(shift, _)| whole(shift)) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}
