//! A shell that knows when things happen: it goes through a script at once and writes down what it
//! would print at which moment.
//!
//! It knows lists (`;`, `&&`, `||`, `&`), `while`, `until`, `for`, `if`, groups, variables, `trap`,
//! `wait`, where output goes, and the few programs of [`Shell::call`]. A trap is taken at once.
//! Pipes and substitutions are not there.

use std::collections::BTreeMap;

use super::words::{Part, Token, expanded, tokens};
use super::{Output, Pipe, Place, Program, Reader, Then};

/// How often a loop goes round at most before it is taken for one without end.
const ROUNDS_MAX: usize = 1_000;

/// How deep a script may go.
const DEPTH_MAX: usize = 50;

/// What a loop that prints and never waits is slowed down to.
const BUSY_MS: u64 = 1_000;

/// What comes after a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Exit(i32),
    Then(Then),
}

pub(super) struct Shell<'a> {
    pub(super) place: Place<'a>,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) traps: BTreeMap<String, String>,
    outputs: Vec<Output>,
    pub(super) now_ms: u64,
    /// How the last command ended.
    pub(super) last: i32,
    /// When each command in the background ends, if it does.
    pub(super) behind: Vec<Option<u64>>,
    /// Where the output of the current command goes.
    pipes: [Option<Pipe>; 2],
    depth: usize,
}

/// Tokens that are still to be read.
struct Script<'t> {
    tokens: &'t [Token],
}

impl<'t> Script<'t> {
    /// The next word, if it is a bare one.
    fn keyword(&self) -> Option<&'t str> {
        match self.tokens.first()? {
            Token::Word(parts) => match &**parts {
                [Part::Text(text)] => Some(text),
                _ => None,
            },
            Token::Sign(_) => None,
        }
    }

    fn sign(&self) -> Option<&'static str> {
        match self.tokens.first()? {
            Token::Sign(sign) => Some(sign),
            Token::Word(_) => None,
        }
    }

    fn skip(&mut self) {
        self.tokens = self.tokens.get(1..).unwrap_or_default();
    }

    /// All up to the word that ends what began with `opened`.
    fn until(&mut self, ends: &[&str]) -> Option<&'t [Token]> {
        let (mut deep, whole) = (0_usize, self.tokens);
        let mut at_start = true;
        while !self.tokens.is_empty() {
            let word = self.keyword().filter(|_| at_start);
            let sign = self.sign();
            if deep == 0 && word.or(sign).is_some_and(|found| ends.contains(&found)) {
                let length = whole.len() - self.tokens.len();
                return Some(&whole[..length]);
            }
            match word.or(sign) {
                Some("do" | "if" | "{" | "(") => deep += 1,
                Some("done" | "fi" | "}" | ")") => deep = deep.checked_sub(1)?,
                _ => {}
            }
            at_start = sign.is_some()
                || word.is_some_and(|word| {
                    ["do", "then", "else", "while", "until", "if", "{", "!"].contains(&word)
                });
            self.skip();
        }
        None
    }
}

impl<'a> Shell<'a> {
    pub(super) fn new(place: Place<'a>) -> Shell<'a> {
        let variables = place.env.iter().filter_map(|pair| pair.split_once('='));
        let mut variables: BTreeMap<String, String> =
            variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        variables.insert("$".into(), "1".into());
        Shell {
            place,
            variables,
            traps: BTreeMap::new(),
            outputs: Vec::new(),
            now_ms: 0,
            last: 0,
            behind: Vec::new(),
            pipes: [Some(Pipe::Out), Some(Pipe::Err)],
            depth: 0,
        }
    }

    /// Begins as `sh` with these arguments.
    pub(super) fn begin(&mut self, arguments: &[String]) -> Flow {
        match arguments.iter().position(|argument| argument == "-c") {
            Some(n) => match arguments.get(n + 1) {
                Some(script) => self.script(script),
                None => self.complain("sh: -c requires an argument", 2),
            },
            None if self.place.has_input => Flow::Then(Then::Reads(Reader::Shell)),
            None => Flow::Next,
        }
    }

    /// The program that all this is.
    pub(super) fn end(mut self, flow: Flow) -> Program {
        let then = match flow {
            Flow::Next => Then::Ends { at_ms: self.now_ms, code: self.last },
            Flow::Exit(code) => Then::Ends { at_ms: self.now_ms, code },
            Flow::Then(then) => then,
        };
        if !matches!(then, Then::Repeats { .. }) {
            self.outputs.sort_by_key(|output| output.at_ms);
        }
        if let Then::Ends { at_ms, .. } = then {
            self.outputs.retain(|output| output.at_ms <= at_ms);
        }
        Program { outputs: self.outputs, then, traps: self.traps }
    }

    pub(super) fn script(&mut self, text: &str) -> Flow {
        match tokens(text) {
            Some(tokens) => self.list(&tokens),
            None => self.complain("sh: syntax error: unterminated quoted string", 2),
        }
    }

    fn list(&mut self, tokens: &[Token]) -> Flow {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self.complain("sh: too deep", 2);
        }
        let mut script = Script { tokens };
        let flow = self.commands(&mut script);
        self.depth -= 1;
        flow
    }

    fn commands(&mut self, script: &mut Script<'_>) -> Flow {
        loop {
            while script.sign() == Some(";") {
                script.skip();
            }
            if script.tokens.is_empty() {
                return Flow::Next;
            }
            if let Some(flow) = self.background(script) {
                if flow != Flow::Next {
                    return flow;
                }
                continue;
            }
            let flow = self.command(script);
            if flow != Flow::Next {
                return flow;
            }
            // Whether the next command is done at all.
            while let Some(sign @ ("&&" | "||")) = script.sign() {
                script.skip();
                if (sign == "&&") == (self.last == 0) {
                    let flow = self.command(script);
                    if flow != Flow::Next {
                        return flow;
                    }
                } else {
                    let _ = script.until(&["&&", "||", ";", "&"]);
                    if script.sign().is_none() {
                        script.tokens = &[];
                    }
                }
            }
            match script.sign() {
                None if script.tokens.is_empty() => return Flow::Next,
                Some(";") => script.skip(),
                _ => return self.complain("sh: syntax error: this is not modelled", 2),
            }
        }
    }

    /// Does a command that ends with `&`, if the next one does.
    fn background(&mut self, script: &mut Script<'_>) -> Option<Flow> {
        let mut ahead = Script { tokens: script.tokens };
        let command = ahead.until(&["&", ";", "&&", "||"])?;
        if ahead.sign() != Some("&") {
            return None;
        }
        ahead.skip();
        script.tokens = ahead.tokens;
        let began_ms = self.now_ms;
        let flow = self.list(command);
        let ends = !matches!(flow, Flow::Then(_));
        self.behind.push(ends.then_some(self.now_ms));
        self.now_ms = began_ms;
        self.last = 0;
        self.variables.insert("!".into(), (self.behind.len() + 6).to_string());
        Some(Flow::Next)
    }

    fn command(&mut self, script: &mut Script<'_>) -> Flow {
        match script.keyword() {
            Some(word @ ("while" | "until")) => self.looped(script, word == "until"),
            Some("for") => self.each(script),
            Some("if") => self.choice(script),
            Some("{") => self.group(script, "}"),
            Some("!") => {
                script.skip();
                let flow = self.command(script);
                self.last = i32::from(self.last == 0);
                flow
            }
            None if script.sign() == Some("(") => self.group(script, ")"),
            _ => self.simple(script),
        }
    }

    fn group(&mut self, script: &mut Script<'_>, end: &'static str) -> Flow {
        script.skip();
        let Some(body) = script.until(&[end]) else { return self.unfinished() };
        script.skip();
        match (self.list(body), end) {
            (Flow::Exit(code), ")") => {
                self.last = code;
                Flow::Next
            }
            (flow, _) => flow,
        }
    }

    fn choice(&mut self, script: &mut Script<'_>) -> Flow {
        script.skip();
        let Some(condition) = script.until(&["then"]) else { return self.unfinished() };
        script.skip();
        let Some(yes) = script.until(&["else", "fi"]) else { return self.unfinished() };
        let no = if script.keyword() == Some("else") {
            script.skip();
            script.until(&["fi"]).unwrap_or_default()
        } else {
            &[]
        };
        script.skip();
        match self.list(condition) {
            Flow::Next if self.last == 0 => self.list(yes),
            Flow::Next => {
                self.last = 0;
                self.list(no)
            }
            flow => flow,
        }
    }

    fn each(&mut self, script: &mut Script<'_>) -> Flow {
        script.skip();
        let Some(name) = script.keyword().map(str::to_owned) else { return self.unfinished() };
        let Some(head) = script.until(&["do"]) else { return self.unfinished() };
        script.skip();
        let Some(body) = script.until(&["done"]) else { return self.unfinished() };
        script.skip();
        let words: Vec<String> = head.iter().skip(2).flat_map(|token| self.words(token)).collect();
        for word in words {
            self.variables.insert(name.clone(), word);
            let flow = self.list(body);
            if flow != Flow::Next {
                return flow;
            }
        }
        Flow::Next
    }

    /// A loop that changes nothing it knows of never ends.
    fn looped(&mut self, script: &mut Script<'_>, until: bool) -> Flow {
        script.skip();
        let Some(condition) = script.until(&["do"]) else { return self.unfinished() };
        script.skip();
        let Some(body) = script.until(&["done"]) else { return self.unfinished() };
        script.skip();
        for _ in 0..ROUNDS_MAX {
            let (from, from_ms, before) = (self.outputs.len(), self.now_ms, self.known());
            let flow = self.list(condition);
            if flow != Flow::Next {
                return flow;
            }
            if (self.last == 0) == until {
                self.last = 0;
                return Flow::Next;
            }
            let flow = self.list(body);
            if flow != Flow::Next {
                return flow;
            }
            if self.known() == before {
                let every_ms = self.now_ms - from_ms;
                return Flow::Then(match (self.outputs.len() > from, every_ms) {
                    (false, _) => Then::Stays,
                    (true, 0) => Then::Repeats { from, every_ms: BUSY_MS },
                    (true, every_ms) => Then::Repeats { from, every_ms },
                });
            }
        }
        Flow::Then(Then::Stays)
    }

    /// Everything that a condition can depend on.
    fn known(&self) -> BTreeMap<String, String> {
        let mut known = self.variables.clone();
        known.retain(|name, _| !["?", "!"].contains(&name.as_str()));
        known
    }

    fn unfinished(&mut self) -> Flow {
        self.complain("sh: syntax error: unexpected end of file", 2)
    }

    fn complain(&mut self, what: &str, code: i32) -> Flow {
        self.print(Pipe::Err, &format!("{what}\n"));
        Flow::Exit(code)
    }

    fn words(&self, token: &Token) -> Vec<String> {
        match token {
            Token::Word(parts) => expanded(parts, &self.variables),
            Token::Sign(_) => Vec::new(),
        }
    }

    /// A command with its arguments, where its output goes, and variables that are set.
    fn simple(&mut self, script: &mut Script<'_>) -> Flow {
        let mut arguments = Vec::new();
        let before = self.pipes;
        self.variables.insert("?".into(), self.last.to_string());
        while let Some(token) = script.tokens.first() {
            match token {
                Token::Sign("<" | ">" | ">>" | ">&") => self.redirect(script, &mut arguments),
                Token::Sign(_) => break,
                Token::Word(_) => {
                    arguments.extend(self.words(token));
                    script.skip();
                }
            }
        }
        while let Some((name, value)) = arguments.first().and_then(|word| assignment(word)) {
            self.variables.insert(name, value);
            arguments.remove(0);
        }
        let flow = if arguments.is_empty() { Flow::Next } else { self.call(&arguments) };
        self.pipes = before;
        flow
    }

    /// `2>&1`, `>&2`, `>/dev/null`, and files, which nobody can read here.
    fn redirect(&mut self, script: &mut Script<'_>, arguments: &mut Vec<String>) {
        let is_input = script.sign() == Some("<");
        let to_pipe = script.sign() == Some(">&");
        script.skip();
        let is_error = arguments.last().is_some_and(|word| word == "2");
        if is_error || arguments.last().is_some_and(|word| word == "1") {
            arguments.pop();
        }
        let target = script.tokens.first().map(|token| self.words(token)).unwrap_or_default();
        script.skip();
        if is_input {
            return;
        }
        let pipe = match (to_pipe, target.first().map(String::as_str)) {
            (true, Some("1")) | (false, Some("/dev/stdout")) => self.pipes[0],
            (true, Some("2")) | (false, Some("/dev/stderr")) => self.pipes[1],
            _ => None,
        };
        self.pipes[usize::from(is_error)] = pipe;
    }

    pub(super) fn print(&mut self, pipe: Pipe, text: &str) {
        let pipe = self.pipes[usize::from(pipe == Pipe::Err)];
        if let (Some(pipe), false) = (pipe, text.is_empty()) {
            self.outputs.push(Output { at_ms: self.now_ms, pipe, text: text.to_owned() });
        }
    }
}

pub(super) fn assignment(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    is_name.then(|| (name.to_owned(), value.to_owned()))
}
