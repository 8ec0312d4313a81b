//! Scripts, taken apart into words and signs.

use std::collections::BTreeMap;

/// A part of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A word, with what is quoted and what stands for something else still in it.
    Word(Vec<Part>),
    /// `;`, `&`, `&&`, `||`, `|`, `(`, `)`, `<`, `>`, `>>`, `>&`, or the end of a line as `;`.
    Sign(&'static str),
}

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// In quotes: it makes a word though it may be empty.
    Quoted(String),
    /// `$NAME`; whether it is in quotes, and so remains one word.
    Variable(String, bool),
}

const SIGNS: [&str; 11] = ["&&", "||", ">>", ">&", ";", "&", "|", "(", ")", "<", ">"];

/// All tokens of a script; `None` when a quote does not end.
pub(super) fn tokens(script: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut word: Vec<Part> = Vec::new();
    let mut rest = script;
    while let Some(first) = rest.chars().next() {
        let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
        let ends = first.is_whitespace() || sign.is_some();
        if ends && !word.is_empty() {
            tokens.push(Token::Word(std::mem::take(&mut word)));
        }
        let tail = &rest[first.len_utf8()..];
        rest = match (first, sign) {
            ('#', _) if word.is_empty() => rest.find('\n').map_or("", |end| &rest[end..]),
            ('\n', _) => {
                tokens.push(Token::Sign(";"));
                tail
            }
            (_, Some(sign)) => {
                tokens.push(Token::Sign(sign));
                &rest[sign.len()..]
            }
            (first, _) if first.is_whitespace() => tail,
            ('\'', _) => {
                let end = tail.find('\'')?;
                word.push(Part::Quoted(tail[..end].to_owned()));
                &tail[end + 1..]
            }
            ('"', _) => quoted(tail, &mut word)?,
            ('$', _) => variable(tail, false, &mut word),
            ('\\', _) => {
                let next = tail.chars().next()?;
                word.push(Part::Quoted(next.to_string()));
                &tail[next.len_utf8()..]
            }
            (first, _) => {
                text(&mut word, first);
                tail
            }
        };
    }
    if !word.is_empty() {
        tokens.push(Token::Word(word));
    }
    Some(tokens)
}

fn text(word: &mut Vec<Part>, letter: char) {
    match word.last_mut() {
        Some(Part::Text(text)) => text.push(letter),
        _ => word.push(Part::Text(letter.to_string())),
    }
}

/// What stands between double quotes, and what comes behind them.
fn quoted<'a>(mut rest: &'a str, word: &mut Vec<Part>) -> Option<&'a str> {
    let mut text = String::new();
    loop {
        let first = rest.chars().next()?;
        rest = &rest[first.len_utf8()..];
        match first {
            '"' => {
                word.push(Part::Quoted(text));
                return Some(rest);
            }
            '\\' if rest.starts_with(['"', '\\', '$', '`']) => {
                text.push(rest.chars().next()?);
                rest = &rest[1..];
            }
            '$' => {
                word.push(Part::Quoted(std::mem::take(&mut text)));
                rest = variable(rest, true, word);
            }
            first => text.push(first),
        }
    }
}

fn variable<'a>(rest: &'a str, is_quoted: bool, word: &mut Vec<Part>) -> &'a str {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let (name, tail) =
        if let Some((name, tail)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            (name, tail)
        } else if rest.starts_with(['?', '$', '!', '#', '@', '*']) {
            rest.split_at(1)
        } else {
            rest.split_at(rest.find(|letter| !is_letter(letter)).unwrap_or(rest.len()))
        };
    if name.is_empty() {
        word.push(Part::Quoted("$".into()));
    } else {
        word.push(Part::Variable(name.to_owned(), is_quoted));
    }
    tail
}

/// The words that a word becomes.
pub(super) fn expanded(word: &[Part], variables: &BTreeMap<String, String>) -> Vec<String> {
    let mut words = Vec::new();
    let mut current: Option<String> = None;
    for part in word {
        match part {
            Part::Text(text) | Part::Quoted(text) => {
                current.get_or_insert_default().push_str(text);
            }
            Part::Variable(name, is_quoted) => {
                let value = value_of(name, variables);
                if *is_quoted {
                    current.get_or_insert_default().push_str(&value);
                    continue;
                }
                for (n, piece) in value.split_whitespace().enumerate() {
                    if n > 0 {
                        words.extend(current.take());
                    }
                    current.get_or_insert_default().push_str(piece);
                }
            }
        }
    }
    words.extend(current);
    words
}

fn value_of(name: &str, variables: &BTreeMap<String, String>) -> String {
    let (name, fallback) = name.split_once(":-").unwrap_or((name, ""));
    variables.get(name).filter(|value| !value.is_empty()).cloned().unwrap_or(fallback.to_owned())
}
