//! Reading a list of machines: every line, or what is wrong with it.

use std::collections::BTreeMap;

use lessor_specs::{Kind, Specs, is_user, name_problem};
use secrecy::SecretString;

/// A line of the list.
pub(super) struct Listed {
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: SecretString,
}

/// What is wrong with a line. Of a line in another order, any word may be a password: only what is
/// good as a name or a place is shown.
pub(super) struct Problem {
    pub(super) line: usize,
    pub(super) text: String,
}

const COLUMNS: &str = "name host port user password";

/// Every machine of a list, and everything that is wrong with it. Empty lines and those that begin
/// with `#` say nothing.
pub(super) fn read(text: &str) -> (Vec<Listed>, Vec<Problem>) {
    let (mut machines, mut problems) = (Vec::new(), Vec::new());
    for (line, content) in (1..).zip(text.lines()) {
        let content = content.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        match read_line(line, content) {
            Ok(machine) => machines.push(machine),
            Err(texts) => problems.extend(texts.into_iter().map(|text| Problem { line, text })),
        }
    }
    twice(&machines, &mut problems);
    (machines, problems)
}

fn read_line(line: usize, content: &str) -> Result<Listed, Vec<String>> {
    let words: Vec<&str> = content.split_whitespace().collect();
    let [name, host, port, user, password] = *words.as_slice() else {
        let found = words.len();
        return Err(vec![format!("expected 5 words, `{COLUMNS}`, found {found}")]);
    };
    let mut problems = Vec::new();
    problems.extend(name_problem(Kind::Machine, name));
    if !is_host(host) {
        problems.push("its second word is neither the name nor the address of a host".into());
    }
    let number = port.parse::<u16>().ok().filter(|port| *port > 0);
    if number.is_none() {
        problems.push("its third word is no port from 1 to 65535".into());
    }
    if !is_user(user) {
        problems.push("its fourth word is no name of a user".into());
    }
    match (number, problems.is_empty()) {
        (Some(port), true) => Ok(Listed {
            line,
            name: name.into(),
            host: host.into(),
            port,
            user: user.into(),
            password: password.into(),
        }),
        _ => Err(problems),
    }
}

/// Whether a text may be the name or the address of a machine.
fn is_host(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    text.chars().all(inner) && text.contains(|c: char| c.is_ascii_alphanumeric())
}

/// No name and no place stands in a list twice.
fn twice(machines: &[Listed], problems: &mut Vec<Problem>) {
    let (mut names, mut places) = (BTreeMap::new(), BTreeMap::new());
    for machine in machines {
        let line = machine.line;
        if let Some(first) = names.insert(&machine.name, line) {
            let text = format!("`{}` stands in line {first} already", machine.name);
            problems.push(Problem { line, text });
        } else if let Some(first) = places.insert((&machine.host, machine.port), line) {
            let text =
                format!("`{}:{}` stands in line {first} already", machine.host, machine.port);
            problems.push(Problem { line, text });
        }
    }
}

/// What other entries stand in the way of a machine: `own` are those of the file that is written.
pub(super) fn in_the_way(machine: &Listed, specs: &Specs, own: &[String]) -> Option<Problem> {
    let name = &machine.name;
    let problem = |text: String| Some(Problem { line: machine.line, text });
    if let Some((pool, ..)) = specs.made_by(name) {
        return problem(format!("`{name}` is called as a machine that `pool.{pool}` makes"));
    }
    if specs.machine.contains_key(name) && !own.contains(name) {
        return problem(format!("`machine.{name}` is declared in another file already"));
    }
    let same = specs.machine.iter().find(|(other, entry)| {
        *other != name && entry.host == machine.host && entry.port == machine.port
    });
    let (other, _) = same?;
    problem(format!("`{}:{}` is `machine.{other}` already", machine.host, machine.port))
}
