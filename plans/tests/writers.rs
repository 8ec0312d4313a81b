//! Writers, given what nobody would write on purpose: hostile names, and far too much of everything.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by stopping")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use insta::assert_snapshot;
use lessor_plans::render::{
    Line, MARKDOWN_MAX, Purpose, Settled, Site, Sites, Summary, Symbol, View, github, junit,
    markdown, sarif,
};
use lessor_plans::{Action, Difference, Gap, NoteKind};
use lessor_specs::{Address, Kind};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use pulldown_cmark::{Event, Options, Parser, Tag};
use serde_json::Value;

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// A line of a host; what is done follows from its symbol.
fn line(symbol: Symbol, about: &str, host: &str) -> Line {
    let action = match symbol {
        Symbol::Add => Some(Action::Create),
        Symbol::Change | Symbol::Drift => Some(Action::Update),
        Symbol::Replace => Some(Action::Replace),
        Symbol::Remove => Some(Action::Delete),
        Symbol::Note => None,
    };
    Line {
        price: None,
        symbol,
        about: about.into(),
        place: Some(host.into()),
        connection: Some(Address::new(Kind::Docker, host)),
        action,
        note: None,
        why: "because".into(),
        code: None,
        facts: Vec::new(),
        differences: Vec::new(),
        destroys_data: false,
        hint: None,
    }
}

/// A note, which names no host.
fn note(kind: NoteKind, about: &str, why: &str) -> Line {
    Line {
        place: None,
        connection: None,
        note: Some(kind),
        why: why.into(),
        ..line(Symbol::Note, about, "")
    }
}

fn view(lines: Vec<Line>) -> View {
    View {
        purpose: Purpose::Plan,
        id: "0123456789abcdef".into(),
        lines,
        gaps: Vec::new(),
        summary: Summary::default(),
        settled: Vec::new(),
        sites: Sites::default(),
    }
}

fn difference(path: &str, before: &str, after: &str) -> Difference {
    Difference { path: path.into(), before: Some(before.into()), after: Some(after.into()) }
}

fn gap(place: &str, why: &str) -> Gap {
    Gap { place: address(place), what: "anything".into(), why: why.into(), hint: None }
}

#[test]
fn a_pull_request_sees_the_most_dangerous_changes_first() {
    let mut lost = line(Symbol::Remove, "volume.data", "b");
    lost.destroys_data = true;
    let mut changed = line(Symbol::Change, "container.web", "a");
    changed.differences = vec![
        difference("env.MOTD", "one|two", "`three`\n@all"),
        difference("env.TOKEN", "(hidden)", "secret://env/TOKEN"),
        difference("memory", "1GiB", "2GiB"),
    ];
    changed.hint = Some("did you mean `container.wbe`?".into());
    let mut view = view(vec![
        line(Symbol::Add, "container.new", "a"),
        changed,
        line(Symbol::Replace, "container.api", "b"),
        line(Symbol::Remove, "container.old", "a"),
        lost,
    ]);
    view.gaps.push(gap("docker.c", "connection refused by https://c.example"));
    assert_snapshot!(markdown(&view), @r"
    ### lessor plan

    **In sync: nothing is there, as declared.**

    | host | what |
    | --- | --- |
    | `docker.c` | 1 not seen |
    | `docker.b` | 1 losing data, 1 to replace |
    | `docker.a` | 1 to remove, 1 to change, 1 to add |

    #### `docker.c`

    | | | |
    | --- | --- | --- |
    | `?` | `docker.c` | could not see anything: connection refused by `https://c.example` |

    #### `docker.b`

    | | | |
    | --- | --- | --- |
    | `-` | `volume.data` | because; **its data is destroyed** |
    | `±` | `container.api` | because |

    #### `docker.a`

    | | | |
    | --- | --- | --- |
    | `-` | `container.old` | because |
    | `~` | `container.web` | because<br>`env.MOTD`:<br>`-one\|two`<br>`` +`three` ``<br>`+@all`<br>`env.TOKEN`: secret changed<br>`memory`: `1GiB` → `2GiB`<br>hint: did you mean `container.wbe`? |
    | `+` | `container.new` | because |

    Plan `01234567`
    ");
}

#[test]
fn however_much_there_is_a_comment_has_room_for_it() {
    let mut lines = Vec::new();
    for host in 0..400 {
        for thing in 0..100 {
            let about = format!("instance.tenant-{host}/thing-{thing}");
            let symbol = if thing == 99 { Symbol::Remove } else { Symbol::Add };
            let mut line = line(symbol, &about, &format!("host-{host}"));
            line.why = "x|`@y ".repeat(thing);
            let (before, after) = ("v".repeat(thing * 10), "w|".repeat(thing * 10));
            let path = |n| format!("env.V{n}");
            line.differences =
                (0..thing / 25).map(|n| difference(&path(n), &before, &after)).collect();
            lines.push(line);
        }
    }
    let mut last = line(Symbol::Remove, "volume.last", "host-399");
    last.destroys_data = true;
    lines.push(last);
    let all = lines.len();

    let text = markdown(&view(lines));

    assert!(text.len() <= MARKDOWN_MAX, "{}", text.len());
    assert!(text.len() > MARKDOWN_MAX * 9 / 10, "{}", text.len());
    // What is worst is there although it came last, and everything is there or counted.
    assert!(text.contains("`volume.last`") && text.contains("**its data is destroyed**"));
    let shown = text.lines().filter(|line| line.starts_with("| `-`") || line.starts_with("| `+`"));
    let (said, _) = text.split_once(&format!(" of {all} lines are left out here")).unwrap();
    let said: usize = said.rsplit("**").next().unwrap().parse().unwrap();
    assert_eq!(said, all - shown.count());
    assert!(text.contains("more hosts are left out here"));
}

/// Text that tries to be something else.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = [
        "|",
        "\\",
        "`",
        "``",
        "\n",
        "\r\n",
        "@root",
        "#1",
        "!2",
        "<img src=x onerror=y>",
        "[a](b)",
        "](",
        "**",
        "_",
        "https://x.example",
        "www.x.example",
        "::error::",
        "%0A",
        ",",
        ":",
        "]]>",
        "&amp;",
        "\u{0}",
        "\u{1b}[31m",
        "\u{202e}",
        "\u{ffff}",
        "\u{feff}",
        "-->",
        "a",
        " ",
        "é",
        "0123456789abcdef",
        "| --- |",
        "$x$",
        "~~",
    ];
    let piece = prop_oneof![
        prop::sample::select(pieces.to_vec()).prop_map(str::to_owned),
        "\\PC{0,4}",
        ".{0,4}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// A changed thing, a note and a gap, with such text in every corner.
fn hostile_view() -> impl Strategy<Value = View> {
    let text = hostile;
    let hint = prop::option::of(text());
    let differences = prop::collection::vec((text(), text(), text()), 0..4);
    (text(), text(), text(), hint, differences, text(), text(), text()).prop_map(
        |(about, why, fact, hint, differences, what, gap, file)| {
            let mut line = line(Symbol::Change, &about, "par1");
            (line.why, line.hint, line.facts) = (why.clone(), hint.clone(), vec![fact]);
            let differences = differences.iter();
            line.differences = differences.map(|(p, b, a)| difference(p, b, a)).collect();
            let mut view = view(vec![line, note(NoteKind::Info, &what, &why)]);
            view.gaps.push(Gap { place: address("docker.par1"), what, why: gap, hint });
            let site = Site { file: file.as_str().into(), line: 3, column: 7 };
            let thing = Settled { address: address("network.x"), place: address("docker.par1") };
            view.with_settled([thing]).with_sites(|_| None, site)
        },
    )
}

proptest! {
    /// A reader of Markdown finds every row in its table, and no markup but ours.
    #[test]
    fn nothing_in_a_plan_becomes_markup(view in hostile_view()) {
        let text = markdown(&view);
        let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_FOOTNOTES | Options::ENABLE_TASKLISTS | Options::ENABLE_MATH;
        let mut cells: Vec<usize> = Vec::new();
        for event in Parser::new_ext(&text, options) {
            match event {
                Event::Start(Tag::TableHead | Tag::TableRow) => cells.push(0),
                Event::Start(Tag::TableCell) => *cells.last_mut().unwrap() += 1,
                Event::Start(Tag::Heading { .. } | Tag::Paragraph | Tag::Strong | Tag::Table(_))
                | Event::Code(_) | Event::End(_) => {}
                Event::InlineHtml(html) => prop_assert_eq!(&*html, "<br>", "{}", text),
                Event::Text(words) => {
                    let bad = ["@", "#", "://", "www", "<", "$", "~", "]"];
                    prop_assert!(!bad.iter().any(|bad| words.contains(bad)), "{words:?} in {text}");
                }
                other => prop_assert!(false, "{other:?} in {text}"),
            }
        }
        // The summary of two hosts, then a table for each: with the gap and the line, and the note.
        prop_assert_eq!(&cells, &[2, 2, 2, 3, 3, 3, 3, 3], "{}", text);
        prop_assert!(!text.contains(['\u{0}', '\u{1b}', '\u{202e}']), "{}", text);
    }

    /// A runner finds one command a line, ours, with properties that end where they shall.
    #[test]
    fn nothing_in_a_plan_becomes_a_command(view in hostile_view()) {
        let text = github(&view);
        let lines: Vec<_> = text.split(['\n', '\r']).collect();
        prop_assert_eq!(lines.len(), 3 + 1 + 1, "{}", text);
        for line in &lines[..3] {
            let (command, _) = line.strip_prefix("::").unwrap().split_once("::").unwrap();
            let (level, properties) = command.split_once(' ').unwrap();
            prop_assert!(["error", "warning", "notice"].contains(&level), "{}", line);
            let names: Vec<_> =
                properties.split(',').map(|p| p.split_once('=').unwrap().0).collect();
            prop_assert_eq!(names, ["file", "line", "col", "title"], "{}", line);
        }
        prop_assert!(!lines[3].starts_with("::"), "{}", text);
    }

    #[test]
    fn whatever_is_in_a_plan_sarif_follows_its_schema(view in hostile_view()) {
        let document: Value = serde_json::from_str(&sarif(&view)).unwrap();
        let errors: Vec<_> = sarif_schema().iter_errors(&document).map(|e| e.to_string()).collect();
        prop_assert!(errors.is_empty(), "{:?} in {}", errors, document);
        for result in document["runs"][0]["results"].as_array().unwrap() {
            let place = &result["locations"][0]["physicalLocation"];
            let uri = place["artifactLocation"]["uri"].as_str().unwrap();
            prop_assert!(uri.bytes().all(|b| b.is_ascii_graphic() && b != b':'), "{}", uri);
            prop_assert!(!result["message"]["text"].as_str().unwrap().contains("]("));
        }
    }
}

fn sarif_schema() -> &'static jsonschema::Validator {
    static SCHEMA: OnceLock<jsonschema::Validator> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let schema = include_str!("../../tests/schemas/sarif-2.1.0.json");
        jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
    })
}

/// What `xmllint` has to say against documents that shall follow the schema of JUnit.
fn complaints(documents: &[String]) -> String {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let files = documents.iter().enumerate().map(|(n, document)| {
        let file = directory.join(format!("hostile-{n}.xml"));
        std::fs::write(&file, document).unwrap();
        file
    });
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/schemas/junit-10.xsd");
    let mut xmllint = Command::new("xmllint");
    let xmllint = xmllint.args(["--noout", "--nonet", "--schema"]).arg(schema).args(files);
    let output = xmllint.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { String::new() } else { said }
}

#[test]
fn whatever_is_in_a_plan_junit_follows_its_schema() {
    let mut runner = TestRunner::deterministic();
    let views = (0..200).map(|_| hostile_view().new_tree(&mut runner).unwrap().current());
    let documents: Vec<_> = views.map(|view| junit(&view)).collect();
    assert_eq!(complaints(&documents), "");
    // The judge can say no.
    assert!(complaints(&["<testsuites><case/></testsuites>".into()]).contains("case"));
}

#[test]
fn a_test_report_has_a_thing_once_with_the_worst_that_is_known_of_it() {
    let mut view = view(vec![
        line(Symbol::Remove, "network.old", "par2"),
        line(Symbol::Change, "container.web", "par1"),
        note(NoteKind::Fatal, "container.web", "cannot be done: port 80 is taken"),
        note(NoteKind::Unmanaged, "container `web-copy` on docker.par1", "left alone"),
        note(NoteKind::Waiting, "volume.kept", "its data is kept"),
    ]);
    view.gaps.push(gap("docker.par2", "no answer"));
    let settled = ["docker.par1", "container.web", "network.front", "volume.kept"];
    let settled = settled
        .map(|thing| Settled { address: address(thing), place: address("docker.par1") })
        .into_iter()
        .chain([Settled { address: address("docker.par2"), place: address("docker.par2") }]);
    assert_snapshot!(junit(&view.with_settled(settled)), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="lessor plan" tests="7" failures="1" errors="2">
      <testsuite name="docker.par1" tests="3" failures="0" errors="1" skipped="0">
        <testcase name="container.web" classname="docker.par1">
          <error type="cannot-be-done" message="container.web: cannot be done: port 80 is taken">container.web: because
    container.web: cannot be done: port 80 is taken</error>
        </testcase>
        <testcase name="docker.par1" classname="docker.par1"/>
        <testcase name="network.front" classname="docker.par1"/>
      </testsuite>
      <testsuite name="docker.par2" tests="2" failures="1" errors="1" skipped="0">
        <testcase name="docker.par2" classname="docker.par2">
          <error type="not-seen" message="docker.par2: could not see anything: no answer">docker.par2: could not see anything: no answer</error>
        </testcase>
        <testcase name="network.old" classname="docker.par2">
          <failure type="removed" message="network.old: because">network.old: because</failure>
        </testcase>
      </testsuite>
      <testsuite name="lessor" tests="2" failures="0" errors="0" skipped="2">
        <testcase name="container `web-copy` on docker.par1" classname="lessor">
          <skipped type="not-ours" message="container `web-copy` on docker.par1: left alone">container `web-copy` on docker.par1: left alone</skipped>
        </testcase>
        <testcase name="volume.kept" classname="lessor">
          <skipped type="waiting" message="volume.kept: its data is kept">volume.kept: its data is kept</skipped>
        </testcase>
      </testsuite>
    </testsuites>
    "#);
}

#[test]
fn more_findings_than_code_scanning_takes_are_cut_and_counted() {
    let mut lines: Vec<_> =
        (0..25_010).map(|n| line(Symbol::Add, &format!("network.n{n}"), "par1")).collect();
    lines.push(line(Symbol::Remove, "network.gone", "par1"));
    let document: Value = serde_json::from_str(&sarif(&view(lines))).unwrap();
    let run = &document["runs"][0];
    assert_eq!(run["results"].as_array().unwrap().len(), 25_000);
    assert_eq!(run["results"][0]["ruleId"], "removed");
    let told = &run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"];
    assert_eq!(told, "11 results of lesser weight are left out");
}

#[test]
fn a_finding_keeps_its_fingerprint_wherever_it_is_declared() {
    let prints = |at: usize| {
        let lines = vec![
            line(Symbol::Remove, "network.a", "par1"),
            line(Symbol::Remove, "network.a", "par2"),
            line(Symbol::Remove, "network.b", "par1"),
            line(Symbol::Add, "network.b", "par1"),
        ];
        let site = Site { file: "web.toml".into(), line: at, column: 1 };
        let view = view(lines).with_sites(|_| Some(site.clone()), site.clone());
        let document: Value = serde_json::from_str(&sarif(&view)).unwrap();
        let results = document["runs"][0]["results"].as_array().unwrap().clone();
        results.iter().map(|result| result["partialFingerprints"].to_string()).collect::<Vec<_>>()
    };
    let (here, there) = (prints(1), prints(70));
    assert_eq!(here, there);
    assert_eq!(here.iter().collect::<BTreeSet<_>>().len(), 4, "{here:?}");
}
