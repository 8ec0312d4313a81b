//! The programs that a shell can call, and what is built into it.

use super::shell::{Flow, Shell, assignment};
use super::{Pipe, Reader, Then};

impl Shell<'_> {
    /// One program or builtin with its arguments.
    pub(super) fn call(&mut self, arguments: &[String]) -> Flow {
        let (name, rest) = (arguments[0].as_str(), &arguments[1..]);
        let name = name.rsplit('/').next().unwrap_or(name);
        self.last = 0;
        match name {
            ":" | "true" | "cd" | "set" | "mkdir" | "touch" | "chmod" | "chown" | "rm"
            | "umask" | "kill" => {}
            "false" => self.last = 1,
            "echo" => {
                let (words, end) = match rest.first().map(String::as_str) {
                    Some("-n") => (&rest[1..], ""),
                    _ => (rest, "\n"),
                };
                self.print(Pipe::Out, &(words.join(" ") + end));
            }
            "printf" => {
                let text = rest.first().cloned().unwrap_or_default().replace("\\n", "\n");
                let text =
                    rest.iter().skip(1).fold(text, |text, word| text.replacen("%s", word, 1));
                self.print(Pipe::Out, &text);
            }
            "env" | "printenv" => {
                let env = self.place.env.join("\n");
                self.print(Pipe::Out, &(env + "\n"));
            }
            "hostname" => self.print(Pipe::Out, &format!("{}\n", self.place.hostname)),
            "pwd" => self.print(Pipe::Out, "/\n"),
            "whoami" => self.print(Pipe::Out, "root\n"),
            "ls" => self.print(Pipe::Out, "bin\ndata\ndev\netc\nproc\nsys\ntmp\n"),
            "ps" => {
                self.print(Pipe::Out, "PID   USER     TIME  COMMAND\n    1 root      0:00 sh\n");
            }
            "export" => self.export(rest),
            "test" | "[" => self.last = i32::from(!test(rest)),
            "trap" => self.trap(rest),
            "wait" => return self.wait(),
            "exec" if rest.is_empty() => {}
            "exec" => {
                self.traps.clear();
                return match self.call(rest) {
                    Flow::Next => Flow::Exit(self.last),
                    flow => flow,
                };
            }
            "exit" => {
                let code = rest.first().and_then(|code| code.parse::<i32>().ok());
                return Flow::Exit(code.unwrap_or(self.last) & 0xff);
            }
            "sleep" => return self.sleep(rest),
            "cat" if rest.is_empty() && self.place.has_input => {
                return Flow::Then(Then::Reads(Reader::Cat));
            }
            "cat" => self.last = i32::from(!rest.is_empty()),
            "sh" | "ash" if self.is_there(name) => {
                let flow = self.begin(rest);
                if let Flow::Exit(code) = flow {
                    self.last = code;
                    return Flow::Next;
                }
                return flow;
            }
            "serve" if self.is_there(name) => {
                self.traps.insert("TERM".into(), "exit 0".into());
                self.traps.insert("INT".into(), "exit 0".into());
                self.print(Pipe::Out, "ready\n");
                return Flow::Then(Then::Stays);
            }
            "httpd" | "nc" | "tail" | "top" | "telnetd" if self.is_there(name) => {
                return Flow::Then(Then::Stays);
            }
            _ => {
                self.print(Pipe::Err, &format!("sh: {}: not found\n", arguments[0]));
                self.last = 127;
            }
        }
        Flow::Next
    }

    fn is_there(&self, name: &str) -> bool {
        self.place.programs.contains(name)
    }

    fn export(&mut self, words: &[String]) {
        for (name, value) in words.iter().filter_map(|word| assignment(word)) {
            self.variables.insert(name, value);
        }
    }

    fn trap(&mut self, words: &[String]) {
        let Some((action, signals)) = words.split_first() else { return };
        for signal in signals {
            let signal = signal.trim_start_matches("SIG");
            let signal = match signal {
                "15" => "TERM",
                "2" => "INT",
                "1" => "HUP",
                other => other,
            };
            self.traps.insert(signal.to_owned(), action.clone());
        }
    }

    fn wait(&mut self) -> Flow {
        let behind = std::mem::take(&mut self.behind);
        for end in behind {
            match end {
                Some(at_ms) => self.now_ms = self.now_ms.max(at_ms),
                None => return Flow::Then(Then::Stays),
            }
        }
        Flow::Next
    }

    fn sleep(&mut self, spans: &[String]) -> Flow {
        let mut total_ms = 0_u64;
        for span in spans {
            let Some(ms) = milliseconds(span) else {
                self.print(Pipe::Err, &format!("sleep: invalid number '{span}'\n"));
                self.last = 1;
                return Flow::Next;
            };
            total_ms = total_ms.saturating_add(ms);
        }
        if spans.iter().any(|span| span == "infinity") {
            return Flow::Then(Then::Stays);
        }
        self.now_ms = self.now_ms.saturating_add(total_ms);
        Flow::Next
    }
}

fn milliseconds(span: &str) -> Option<u64> {
    if span == "infinity" {
        return Some(0);
    }
    let (number, unit_ms) = match span.char_indices().last()? {
        (end, 's') => (&span[..end], 1_000),
        (end, 'm') => (&span[..end], 60_000),
        (end, 'h') => (&span[..end], 3_600_000),
        (end, 'd') => (&span[..end], 86_400_000),
        _ => (span, 1_000_u64),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let thousandths = format!("{part:0<3}");
    let thousandths: u64 = thousandths.get(..3)?.parse().ok()?;
    whole.checked_mul(unit_ms)?.checked_add(thousandths * unit_ms / 1_000)
}

fn test(words: &[String]) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| *word != "]").collect();
    let number = |word: &str| word.parse::<i64>().unwrap_or_default();
    match *words {
        ["-z", word] => word.is_empty(),
        ["-n", word] | [word] => !word.is_empty(),
        [left, "=" | "==", right] => left == right,
        [left, "!=", right] => left != right,
        [left, "-eq", right] => number(left) == number(right),
        [left, "-ne", right] => number(left) != number(right),
        [left, "-lt", right] => number(left) < number(right),
        [left, "-gt", right] => number(left) > number(right),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use super::super::{Place, script};

    /// What a script prints and how it ends, line by line.
    fn told(text: &str) -> String {
        let programs = BTreeSet::from(["sh", "httpd", "sleep"].map(str::to_owned));
        let env = ["GREETING=hello world".to_owned()];
        let place = Place { programs: &programs, env: &env, hostname: "h", has_input: false };
        let program = script(text, place);
        let mut told = String::new();
        for output in &program.outputs {
            let _ = write!(told, "{:?}@{} {}", output.pipe, output.at_ms, output.text);
        }
        let _ = write!(told, "{:?} {:?}", program.then, program.traps);
        told
    }

    #[test]
    fn scripts_print_at_their_moments_and_end_as_they_say() {
        let scripts = [
            "echo a; echo b >&2; exit 7",
            "echo \"$GREETING\" '$x' $GREETING >/dev/null; echo \"<$GREETING>\"",
            "sleep 1; echo one && sleep 0.5 || echo no; false || echo two; false",
            "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done",
            "while true; do echo tick; sleep 2; done",
            "trap 'exit 0' TERM; httpd -f -p 80 & wait",
            "for n in 1 2; do if [ $n = 2 ]; then echo two; else echo other; fi; done",
            "(exit 3); echo $?; nosuch; { echo x; sleep 3; } & echo y; wait",
            "exec sleep 60",
            "echo 'open",
            "echo a | cat",
        ];
        let told: Vec<String> =
            scripts.iter().map(|text| format!("$ {text}\n{}", told(text))).collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        $ echo a; echo b >&2; exit 7
        Out@0 a
        Err@0 b
        Ends { at_ms: 0, code: 7 } {}
        $ echo "$GREETING" '$x' $GREETING >/dev/null; echo "<$GREETING>"
        Out@0 <hello world>
        Ends { at_ms: 0, code: 0 } {}
        $ sleep 1; echo one && sleep 0.5 || echo no; false || echo two; false
        Out@1000 one
        Out@1500 two
        Ends { at_ms: 1500, code: 1 } {}
        $ trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done
        Stays {"TERM": "exit 0"}
        $ while true; do echo tick; sleep 2; done
        Out@0 tick
        Repeats { from: 0, every_ms: 2000 } {}
        $ trap 'exit 0' TERM; httpd -f -p 80 & wait
        Stays {"TERM": "exit 0"}
        $ for n in 1 2; do if [ $n = 2 ]; then echo two; else echo other; fi; done
        Out@0 other
        Out@0 two
        Ends { at_ms: 0, code: 0 } {}
        $ (exit 3); echo $?; nosuch; { echo x; sleep 3; } & echo y; wait
        Out@0 3
        Err@0 sh: nosuch: not found
        Out@0 x
        Out@0 y
        Ends { at_ms: 3000, code: 0 } {}
        $ exec sleep 60
        Ends { at_ms: 60000, code: 0 } {}
        $ echo 'open
        Err@0 sh: syntax error: unterminated quoted string
        Ends { at_ms: 0, code: 2 } {}
        $ echo a | cat
        Out@0 a
        Err@0 sh: syntax error: this is not modelled
        Ends { at_ms: 0, code: 2 } {}
        "#);
    }
}
