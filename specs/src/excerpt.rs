//! Texts that are pointed into: lines, columns, and the few lines around a place.
//!
//! A file may be large and have a problem in every line, or have everything in one line, so nothing
//! here begins at the top of the file again for each.

use std::ops::Range;

/// For every so many bytes, it is known how many characters come before.
const BLOCK: usize = 1 << 10;

/// A line that is longer is shown in part.
const LINE_MAX: usize = 512;

/// As much of a place is marked in a long line.
const SPAN_MAX: usize = 60;

/// Where the lines of a text begin, for whoever looks up many places in it.
#[derive(Clone, Debug)]
pub(crate) struct LineIndex {
    lines: Vec<usize>,
    /// How many characters come before each block.
    characters: Vec<usize>,
}

/// A text whose lines are known.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    text: String,
    index: LineIndex,
}

/// A part of a text that holds a place in it.
pub(crate) struct Excerpt<'t> {
    /// Whole lines, or the part of a long one.
    pub(crate) text: &'t str,
    /// The number of its first line.
    pub(crate) line: usize,
    /// The place, in it.
    pub(crate) span: Range<usize>,
    /// Whether it begins in the middle of a line.
    pub(crate) is_cut: bool,
}

impl LineIndex {
    pub(crate) fn of(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = [0].into_iter().chain(breaks.map(|(at, _)| at + 1)).collect();
        let characters = text.as_bytes().chunks(BLOCK).scan(0, |before, block| {
            let here = *before;
            *before += begun(block);
            Some(here)
        });
        LineIndex { lines, characters: characters.collect() }
    }

    /// Line and column of a byte of the same text, both counted from 1; columns are characters.
    pub(crate) fn line_column(&self, text: &str, offset: usize) -> (usize, usize) {
        let offset = text.floor_char_boundary(offset);
        let line = self.line(offset);
        let before = |offset| self.characters_before(text, offset);
        (line + 1, before(offset) - before(self.lines[line]) + 1)
    }

    /// The index of the line that holds a byte.
    fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|begin| *begin <= offset).saturating_sub(1)
    }

    fn characters_before(&self, text: &str, offset: usize) -> usize {
        let block = (offset / BLOCK).min(self.characters.len().saturating_sub(1));
        let known = self.characters.get(block).copied().unwrap_or(0);
        known + begun(&text.as_bytes()[block * BLOCK..offset])
    }
}

impl Text {
    pub(crate) fn new(text: String) -> Self {
        Text { index: LineIndex::of(&text), text }
    }

    /// As [`LineIndex::line_column`].
    pub(crate) fn line_column(&self, offset: usize) -> (usize, usize) {
        self.index.line_column(&self.text, offset)
    }

    /// The lines a place is in.
    pub(crate) fn excerpt(&self, (start, end): (usize, usize)) -> Excerpt<'_> {
        let start = self.boundary(start);
        let end = self.boundary(end).max(start);
        let (first, last) = (self.index.line(start), self.index.line(end));
        let whole = self.index.lines[first]..self.line_end(last);
        let (start, end) = (start.min(whole.end), end.min(whole.end));
        if first < last || whole.len() <= LINE_MAX {
            let span = start - whole.start..end - whole.start;
            return Excerpt { text: &self.text[whole], line: first + 1, span, is_cut: false };
        }
        let from = self.boundary(start.saturating_sub(LINE_MAX / 2).max(whole.start));
        let to = self.boundary(whole.end.min(start + LINE_MAX / 2));
        let end = self.boundary(end.min(start + SPAN_MAX));
        let span = start - from..end - from;
        Excerpt { text: &self.text[from..to], line: first + 1, span, is_cut: from > whole.start }
    }

    /// Where the line with this index ends, without its break.
    fn line_end(&self, line: usize) -> usize {
        let Some(next) = self.index.lines.get(line + 1) else { return self.text.len() };
        let text = &self.text[self.index.lines[line]..next - 1];
        next - 1 - usize::from(text.ends_with('\r'))
    }

    /// The byte itself, or the first of the character it is in.
    fn boundary(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset)
    }
}

/// How many characters begin here.
fn begun(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_and_columns_are_counted_as_if_from_the_top(
            text in "([aé→\u{1f600}]{0,40}\n?){0,60}", offset in 0..5_000_usize,
        ) {
            let before = &text[..text.floor_char_boundary(offset)];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
            prop_assert_eq!(Text::new(text.clone()).line_column(offset), (line, column));
        }

        #[test]
        fn an_excerpt_holds_the_place_it_was_made_for(
            text in "([aé→]{0,3000}\n?){0,3}", start in 0..9_000_usize, length in 0..50_usize,
        ) {
            let known = Text::new(text.clone());
            let excerpt = known.excerpt((start, start + length));
            let shown = &excerpt.text[excerpt.span.clone()];
            prop_assert!(text[text.floor_char_boundary(start)..].starts_with(shown));
            prop_assert!(excerpt.text.len() < LINE_MAX + 4 || excerpt.text.contains('\n'));
        }
    }
}
