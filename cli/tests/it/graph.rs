//! What needs what: `graph` in its three languages, each held against something that reads it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use insta::assert_snapshot;

use crate::support::{NOTHING, RENT, Shop, WEB};

const FORMATS: [&str; 3] = ["dot", "mermaid", "svg"];

#[test]
fn a_graph_is_drawn_from_specs_alone() {
    let shop = Shop::new(&WEB.replace("memory:host.json", "tcp://127.0.0.1:9"));
    assert_snapshot!(shop.lessor("graph"), @r##"
    digraph lessor {
      graph [rankdir=LR, ranksep=1, nodesep=0.2, fontname="Helvetica,sans-serif"];
      node [shape=box, style="rounded,filled", fillcolor="#f6f8fa", color="#57606a", fontcolor="#1f2328", fontname="Helvetica,sans-serif", fontsize=11];
      edge [color="#57606a", arrowsize=0.7];
      subgraph "cluster_docker.local" {
        label="docker.local";
        style=rounded; color="#8c959f"; fontcolor="#57606a";
        "container.web" [label="container.web\nnginx:1.27", tooltip="container.web\nnginx:1.27\nmemory 128MiB"];
        "image.local/nginx:1.27" [label="image.local/nginx:1.27", tooltip="image.local/nginx:1.27", shape=note, style=filled];
        "network.front" [label="network.front", tooltip="network.front", shape=ellipse, style=filled];
        "volume.content" [label="volume.content", tooltip="volume.content", shape=cylinder, style=filled];
      }
      "container.web" -> "image.local/nginx:1.27";
      "container.web" -> "network.front";
      "container.web" -> "volume.content";
    }
    exit 0
    "##);
    assert_snapshot!(shop.lessor("graph --format mermaid"), @r#"
    flowchart LR
      subgraph g0["docker.local"]
        n0["container.web<br/>nginx:1.27"]
        n1[/"image.local/nginx:1.27"/]
        n2(["network.front"])
        n3[("volume.content")]
      end
      n0 --> n1
      n0 --> n2
      n0 --> n3
    exit 0
    "#);
    assert_snapshot!(shop.files().join(" "), @"lessor.toml web.toml");
    // Not even a configuration is needed.
    std::fs::remove_file(shop.path("lessor.toml")).unwrap();
    assert_eq!(shop.lessor("graph").code, 0);
}

#[test]
fn a_drawing_stands_by_itself() {
    let shop = Shop::new(
        "[docker.local]\n[network.front]\n[container.web]\nimage = \"nginx:1.27\"\nnetworks = [\"front\"]\n",
    );
    let svg = shop.lessor("graph --format svg").stdout;
    assert_snapshot!(svg.lines().filter(|l| !l.starts_with("<style")).collect::<Vec<_>>().join("\n"), @r#"
    <svg xmlns="http://www.w3.org/2000/svg" width="458" height="188" viewBox="0 0 458 188" role="graphics-document document" aria-label="What needs what: 3 things on 1 host">
    <title>What needs what: 3 things on 1 host</title>
    <defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>
    <rect class="page" width="458" height="188"/>
    <g class="host"><rect x="20" y="20" width="418" height="120" rx="8"/><text x="34" y="40">docker.local</text></g>
    <path class="edge" marker-end="url(#tip)" d="M160 86C196 86 196 65 232 65"><title>container.web needs image.local/nginx:1.27</title></path>
    <path class="edge" marker-end="url(#tip)" d="M160 86C196 86 196 107 232 107"><title>container.web needs network.front</title></path>
    <g class="node container" role="graphics-symbol img" aria-label="container.web, nginx:1.27"><title>container.web
    nginx:1.27</title><rect x="38" y="64" width="122" height="45" rx="5"/><path class="kind" d="M43 70h3v33h-3z"/><text x="52" y="83">container.web</text><text class="small" x="52" y="99">nginx:1.27</text></g>
    <g class="node image" role="graphics-symbol img" aria-label="image.local/nginx:1.27"><title>image.local/nginx:1.27</title><rect x="232" y="50" width="188" height="30" rx="5"/><path class="kind" d="M237 56h3v18h-3z"/><text x="246" y="69">image.local/nginx:1.27</text></g>
    <g class="node network" role="graphics-symbol img" aria-label="network.front"><title>network.front</title><rect x="232" y="92" width="188" height="30" rx="5"/><path class="kind" d="M237 98h3v18h-3z"/><text x="246" y="111">network.front</text></g>
    <g class="node container"><path class="kind" d="M20 169h3v10h-3z"/><text class="small" x="28" y="178">container</text></g>
    <g class="node image"><path class="kind" d="M115 169h3v10h-3z"/><text class="small" x="123" y="178">image</text></g>
    <g class="node network"><path class="kind" d="M186 169h3v10h-3z"/><text class="small" x="194" y="178">network</text></g>
    </svg>
    "#);
    for foreign in ["<script", "href", "@import", "@font-face", "url(http"] {
        assert!(!svg.contains(foreign), "{foreign}");
    }
    assert!(svg.contains("prefers-color-scheme:dark"));
}

#[test]
fn an_instance_is_drawn_with_what_it_brings_along() {
    let shop = Shop::new(RENT);
    assert_snapshot!(shop.lessor("graph --format mermaid"), @r#"
    flowchart LR
      subgraph g0["docker.local"]
        n0(["bridge.tenants/acme"])
        n1[/"image.local/paper:1.21"/]
        n2[["instance.acme/lobby<br/>offer.small"]]
        n3[("volume.acme/lobby")]
      end
      n2 --> n0
      n2 --> n1
      n2 --> n3
    exit 0
    "#);
}

#[test]
fn what_a_saved_plan_does_is_coloured_and_what_goes_is_drawn_too() {
    let shop = Shop::applied(&format!(
        "{WEB}[container.old]\nimage = \"nginx:1.27\"\nnetworks = [\"front\"]\n"
    ));
    shop.change("[container.old]\nimage = \"nginx:1.27\"\nnetworks = [\"front\"]\n", "");
    shop.change(
        "memory = \"128MiB\"",
        "memory = \"256MiB\"\n[container.new]\nimage = \"nginx:1.27\"",
    );
    assert_eq!(shop.lessor("plan -o a.plan").code, 0);
    // The drawing is of the plan, whatever the files say by now.
    shop.write("web.toml", "garbage");
    assert_snapshot!(shop.lessor("graph a.plan --format mermaid"), @r##"
    flowchart LR
      subgraph g0["docker.local"]
        n0["#43; container.new<br/>nginx:1.27"]:::add
        n1["#45; container.old<br/>nginx:1.27"]:::remove
        n2["~ container.web<br/>nginx:1.27"]:::change
        n3[/"image.local/nginx:1.27"/]
        n4(["network.front"])
        n5[("volume.content")]
      end
      n0 --> n3
      n1 --> n3
      n1 --> n4
      n2 --> n3
      n2 --> n4
      n2 --> n5
      classDef add fill:#dafbe1,stroke:#1a7f37,stroke-width:2px,color:#1f2328
      classDef change fill:#fff8c5,stroke:#9a6700,stroke-width:2px,color:#1f2328
      classDef remove fill:#ffebe9,stroke:#cf222e,stroke-width:2px,color:#1f2328
    exit 0
    "##);
    assert_read(&shop, "a.plan");
}

#[test]
fn data_that_is_kept_is_drawn_by_a_plan_that_keeps_it() {
    let shop = Shop::applied(RENT);
    shop.change("[instance.\"acme/lobby\"]\noffer = \"small\"", "");
    assert_eq!(shop.lessor("plan -o a.plan").code, 0);
    assert_snapshot!(shop.lessor("graph a.plan --format mermaid"), @r##"
    flowchart LR
      subgraph g0["docker.local"]
        n0(["#45; bridge.tenants/acme"]):::remove
        n1[["#45; instance.acme/lobby<br/>paper:1.21"]]:::remove
        n2[("? volume.acme/lobby<br/>no longer declared, data kept for 7d")]:::note
      end
      n1 --> n0
      n1 --> n2
      classDef remove fill:#ffebe9,stroke:#cf222e,stroke-width:2px,color:#1f2328
      classDef note fill:#ddf4ff,stroke:#0969da,stroke-width:2px,color:#1f2328
    exit 0
    "##);
}

#[test]
fn a_part_is_drawn_with_what_it_needs() {
    let shop = Shop::new(&format!("{WEB}[container.other]\nimage = \"redis:7\"\n"));
    let nodes = |args: &str| nodes(&shop.lessor(&format!("graph --format mermaid {args}")).stdout);
    assert_snapshot!(nodes("--target container.other"), @r#"
    n0["container.other<br/>redis:7"]
    n1[/"image.local/redis:7"/]
    "#);
    assert_snapshot!(nodes("--target container.* --exclude image.*"), @r#"
    n0["container.other<br/>redis:7"]
    n1["container.web<br/>nginx:1.27"]
    n2(["network.front"])
    n3[("volume.content")]
    "#);
    assert_snapshot!(nodes("--exclude docker.local"), @"");
    assert_snapshot!(shop.lessor("graph --target container.wbe"), @"
    err| error[E1001]: `container.wbe` selects nothing
    err|   hint: name what `lessor plan` lists, or a connection
    exit 1
    ");
}

#[test]
fn three_that_are_alike_are_named_and_four_are_counted() {
    let shop = Shop::new(WEB);
    let containers = |count: usize| {
        (0..count).fold(WEB.to_owned(), |specs, n| {
            specs + &format!("[container.app-{n}]\nimage = \"redis:7\"\nnetworks = [\"front\"]\n")
        })
    };
    shop.write("web.toml", containers(3));
    assert_snapshot!(nodes(&shop.lessor("graph --format mermaid").stdout), @r#"
    n0["container.app-0<br/>redis:7"]
    n1["container.app-1<br/>redis:7"]
    n2["container.app-2<br/>redis:7"]
    n3["container.web<br/>nginx:1.27"]
    n4[/"image.local/nginx:1.27"/]
    n5[/"image.local/redis:7"/]
    n6(["network.front"])
    n7[("volume.content")]
    "#);
    shop.write("web.toml", containers(4));
    assert_snapshot!(nodes(&shop.lessor("graph --format mermaid").stdout), @r#"
    n0["4 × container.app-#42;<br/>redis:7"]
    n1["container.web<br/>nginx:1.27"]
    n2[/"image.local/nginx:1.27"/]
    n3[/"image.local/redis:7"/]
    n4(["network.front"])
    n5[("volume.content")]
    "#);
    assert_eq!(nodes(&shop.lessor("graph --format mermaid --no-fold").stdout).lines().count(), 9);
}

#[test]
fn a_thousand_containers_fit_a_page_with_their_networks() {
    let shop = Shop::new(include_str!("../../../examples/many/many.toml"));
    let folded = nodes(&shop.lessor("graph --format mermaid").stdout);
    assert_eq!(folded.lines().count(), 31);
    assert_snapshot!(folded.lines().take(4).collect::<Vec<_>>().join("\n"), @r#"
    n0["100 × container.app-#42;<br/>lessor.example/busybox:1"]
    n1["100 × container.app-#42;<br/>lessor.example/busybox:1"]
    n2["100 × container.app-#42;<br/>lessor.example/busybox:1"]
    n3["100 × container.app-#42;<br/>lessor.example/busybox:1"]
    "#);
    let whole = shop.lessor("graph --format mermaid --no-fold");
    assert_eq!(nodes(&whole.stdout).lines().count(), 2011);
    assert_snapshot!(whole.stderr, @"the graph has 3000 edges; Mermaid draws 500 unless its `maxEdges` says more");
}

#[test]
fn three_hundred_tenants_fold_by_what_they_rent() {
    let shop = Shop::new(RENT);
    let mut specs = RENT.replace("25565-25570", "20000-29999");
    for tenant in 0..300 {
        let _ =
            write!(specs, "[tenant.t{tenant}]\n[instance.\"t{tenant}/game\"]\noffer = \"small\"\n");
        // Every third has a second one.
        if tenant % 3 == 0 {
            let _ = write!(specs, "[instance.\"t{tenant}/more\"]\noffer = \"small\"\n");
        }
    }
    shop.write("web.toml", specs);
    assert_snapshot!(shop.lessor("graph --format mermaid"), @r#"
    flowchart LR
      subgraph g0["docker.local"]
        n0(["301 × bridge.tenants/#42;"])
        n1[/"image.local/paper:1.21"/]
        n2[["401 × instance.#42;/#42;<br/>offer.small"]]
        n3[("401 × volume.#42;/#42;")]
      end
      n2 --> n0
      n2 --> n1
      n2 --> n3
    exit 0
    "#);
}

#[test]
fn an_instance_without_a_place_is_told_beside_the_drawing() {
    let shop = Shop::new(&RENT.replace("25565-25570", "25565-25565"));
    shop.write("more.toml", "[instance.\"acme/second\"]\noffer = \"small\"\n");
    let ran = shop.lessor("graph --format mermaid");
    assert_snapshot!(ran, @r#"
    flowchart LR
      subgraph g0["docker.local"]
        n0(["bridge.tenants/acme"])
        n1[/"image.local/paper:1.21"/]
        n2[["instance.acme/lobby<br/>offer.small"]]
        n3[("volume.acme/lobby")]
      end
      n2 --> n0
      n2 --> n1
      n2 --> n3
    err| cannot be drawn[E1004]: `instance.acme/second`: `port_range.games` has no port left
    exit 1
    "#);
}

#[test]
fn an_instance_is_drawn_where_it_was_put() {
    let hosts =
        "[docker.a]\nendpoint = \"memory:a.json\"\n[docker.b]\nendpoint = \"memory:b.json\"\n";
    let bridges = "[bridge.a]\ndocker = \"a\"\nsupernet = \"10.1.0.0/16\"\nper_tenant_prefix = 28\n\
                   [bridge.b]\ndocker = \"b\"\nsupernet = \"10.2.0.0/16\"\nper_tenant_prefix = 28\n";
    let rent = "[image.i.container]\nref = \"i:1\"\n[tenant.acme]\n[offer.o]\nimages = [\"i\"]\n\
                price = {}\ncontainer = { cpu = \"1\", memory = \"1GiB\" }\n\
                [instance.\"acme/x\"]\noffer = \"o\"\n";
    let full = hosts.replacen("a.json\"\n", "a.json\"\ncapacity = { memory = \"1MiB\" }\n", 1);
    let shop = Shop::applied(&format!("{full}{bridges}{rent}"));
    let hosts_drawn = |source: &str| {
        let drawn = shop.lessor(&format!("graph {source} --format mermaid")).stdout;
        drawn.lines().filter(|line| line.contains("subgraph")).collect::<Vec<_>>().join("\n")
    };
    // There is room on the first host by now, and it stays on the second.
    shop.write("web.toml", format!("{hosts}{bridges}{rent}"));
    assert_snapshot!(hosts_drawn("."), @r#"  subgraph g0["docker.b"]"#);
    assert_eq!(shop.lessor("plan -o a.plan").code, 0);
    assert_snapshot!(hosts_drawn("a.plan"), @r#"  subgraph g0["docker.b"]"#);
}

#[test]
fn every_graph_is_read_by_what_it_is_for() {
    let shop = Shop::new(WEB);
    for example in ["hello", "minehost", "many"] {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/");
        assert_read(&shop, &format!("{dir}{example}"));
        assert_read(&shop, &format!("{dir}{example} --no-fold"));
    }
    shop.write("web.toml", NOTHING);
    assert_read(&shop, ".");
}

/// Image references are any text. None of it leaves its label.
#[test]
fn a_name_cannot_break_out_of_a_drawing() {
    const HOSTILE: [&str; 12] = [
        r#"a"]; evil [label="x"#,
        r"back\slash\",
        "<b>bold</b><script>alert(1)</script>",
        "&lt;&#34;#quot;#35;",
        r"line\nbreak\r\u0001\u0007\u001b[31m\u2028",
        r"\u202eevil\u2066",
        "`**markdown**`",
        "]]>-->*/{}|~;%%",
        r"two\nlines",
        "ünïcödé 🚢 漢字",
        "end",
        "1. list",
    ];
    // What cannot stand in a file is written as TOML writes it.
    let escaped = |name: &str| {
        let quote = if name.contains("\\n") || name.contains("\\u") { '"' } else { '\'' };
        format!("{quote}{name}{quote}")
    };
    let mut specs = "[docker.local]\n".to_owned();
    for (n, name) in HOSTILE.iter().enumerate() {
        let _ = write!(specs, "[container.c{n}]\nimage = {}\n", escaped(name));
    }
    let _ = write!(specs, "[container.long]\nimage = '{}'\n", "x".repeat(5000));
    let shop = Shop::new(&specs);
    assert_read(&shop, ". --no-fold");
    assert_snapshot!(shop.lessor("graph --no-fold --format mermaid --target image.*"), @r#"
    flowchart LR
      subgraph g0["docker.local"]
        n0[/"image.local/#38;lt#59;#38;#35;34#59;#35;quot#59;#35;35#59;"/]
        n1[/"image.local/1. list"/]
        n2[/"image.local/#60;b#62;bold#60;/b#62;#60;script#62;alert(1)#60;/script#62;"/]
        n3[/"image.local/]]#62;--#62;#42;/#123;#125;|~#59;#37;#37;"/]
        n4[/"image.local/#96;#42;#42;markdown#42;#42;#96;"/]
        n5[/"image.local/a#34;]#59; evil [label=#34;x"/]
        n6[/"image.local/back#92;slash#92;"/]
        n7[/"image.local/end"/]
        n8[/"image.local/line�break����[31m�"/]
        n9[/"image.local/two�lines"/]
        n10[/"image.local/xxxxxxxxxxxxxxx…xxxxxxxxxxxxxxxxxxxxxxxxxxx"/]
        n11[/"image.local/ünïcödé 🚢 漢字"/]
        n12[/"image.local/�evil�"/]
      end
    exit 0
    "#);
    let dot = shop.lessor("graph --no-fold").stdout;
    let drawn = output_of("dot", &["-Tsvg"], &dot);
    let svg = shop.lessor("graph --no-fold --format svg").stdout;
    for drawing in [drawn, svg] {
        for text in ["&lt;b&gt;bold&lt;/b&gt;", "&amp;lt;&amp;#34;#quot;#35;", "ünïcödé 🚢 漢字"]
        {
            assert!(drawing.contains(text), "{text}");
        }
        assert!(!drawing.contains("<script") && !drawing.contains('\x1b'));
    }
    // What was drawn as one node is one node.
    let plain = output_of("dot", &["-Tplain"], &dot);
    assert_eq!(plain.lines().filter(|line| line.starts_with("node ")).count(), 26);
}

/// The graph of a source is read in every language, twice the same.
fn assert_read(shop: &Shop, args: &str) {
    for format in FORMATS {
        let drawn = || shop.lessor(&format!("graph {args} --format {format}"));
        let ran = drawn();
        assert_eq!(ran.code, 0, "{args}: {ran}");
        assert_eq!(ran.stdout, drawn().stdout, "{args} {format}");
        match format {
            // To lay out thousands of nodes takes long; reading them does not.
            "dot" if args.contains("--no-fold") => drop(output_of("gvpr", &["N{}"], &ran.stdout)),
            "dot" => drop(output_of("dot", &["-Tplain"], &ran.stdout)),
            "svg" => drop(output_of("xmllint", &["--noout", "--huge", "-"], &ran.stdout)),
            _ => assert_mermaid(&ran.stdout),
        }
    }
}

/// What a program says of `input`, which it has to accept without a word on stderr.
fn output_of(program: &str, args: &[&str], input: &str) -> String {
    let piped = Stdio::piped;
    let mut child = Command::new(program)
        .args(args)
        .stdin(piped())
        .stdout(piped())
        .stderr(piped())
        .spawn()
        .map_err(|error| format!("{program}: {error}; tests/run.sh installs it"))
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{program}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Holds a flowchart against the part of the grammar it may use.
fn assert_mermaid(text: &str) {
    const SHAPES: [(&str, &str); 5] =
        [("[[\"", "\"]]"), ("[(\"", "\")]"), ("([\"", "\"])"), ("[/\"", "\"/]"), ("[\"", "\"]")];
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("flowchart LR"));
    let (mut known, mut classes, mut used, mut open) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), 0);
    for line in lines {
        let bare = line.trim_start();
        if bare == "end" {
            open -= 1;
        } else if let Some(rest) = bare.strip_prefix("subgraph ") {
            let (id, rest) = rest.split_once("[\"").unwrap();
            assert!(known.insert(id), "{line}");
            assert_label(rest.strip_suffix("\"]").unwrap(), line);
            open += 1;
        } else if let Some(rest) = bare.strip_prefix("classDef ") {
            assert!(classes.insert(rest.split_once(' ').unwrap().0), "{line}");
        } else if let Some((user, need)) = bare.split_once(" --> ") {
            assert!(known.contains(user) && known.contains(need), "{line}");
        } else {
            let end = bare.find(|c: char| !c.is_ascii_alphanumeric()).unwrap();
            let (id, shape) = bare.split_at(end);
            assert!(known.insert(id) && open == 1, "{line}");
            let (shape, class) = match shape.rsplit_once(":::") {
                Some((shape, class)) => (shape, Some(class)),
                None => (shape, None),
            };
            used.extend(class);
            let label = SHAPES
                .iter()
                .find_map(|(open, close)| shape.strip_prefix(open)?.strip_suffix(close));
            assert_label(label.ok_or(line).unwrap(), line);
        }
        assert!((0..=1).contains(&open), "{line}");
    }
    assert_eq!(open, 0);
    assert_eq!(used, classes);
}

/// Text, numeric entities and our own line breaks; nothing Mermaid, Markdown or HTML would read.
fn assert_label(label: &str, line: &str) {
    let text = label.replace("<br/>", "");
    assert!(!text.contains(['"', '<', '>', '&', '`', '*', '_', '\\', '%', '{', '}']), "{line}");
    assert!(!text.starts_with(['+', '-']) && !text.contains(char::is_control), "{line}");
    for entity in text.split('#').skip(1) {
        let (number, _) = entity.split_once(';').ok_or(line).unwrap();
        assert!(number.parse::<u32>().is_ok(), "{line}");
    }
}

/// The lines of a flowchart that are nodes.
fn nodes(mermaid: &str) -> String {
    let is_node = |line: &&str| line.starts_with("    n");
    mermaid.lines().filter(is_node).map(str::trim).collect::<Vec<_>>().join("\n")
}
