//! As a drawing that stands by itself: no script, no font and no style from elsewhere.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use lessor_specs::Kind;

use super::layout::{Layout, Point, Rect, SMALL_CHAR, text_width};
use super::mermaid::class;
use super::node::meaning;
use super::{Graph, Node, clean};
use crate::render::Symbol;

/// Colours for paper, and for those who read in the dark.
const STYLE: &str = "\
.page{fill:#fff}\
text{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:12px;fill:#1f2328}\
.small{font-size:10px;fill:#57606a}\
.host rect{fill:#f6f8fa;stroke:#d0d7de}.host text{font-weight:bold;fill:#57606a}\
.node rect,.node path{fill:#fff;stroke:#8c959f}.node .kind{stroke:none}\
.edge{fill:none;stroke:#8c959f}.far{stroke-dasharray:5 4}.tip{fill:#8c959f}\
.container .kind{fill:#0969da}.instance .kind{fill:#8250df}.network .kind{fill:#1a7f37}\
.volume .kind{fill:#bf8700}.image .kind{fill:#8c959f}\
.add rect{fill:#dafbe1;stroke:#1a7f37}.change rect{fill:#fff8c5;stroke:#9a6700}\
.replace rect{fill:#fbefff;stroke:#8250df}.remove rect{fill:#ffebe9;stroke:#cf222e}\
.drift rect{fill:#fff1e5;stroke:#bc4c00}.note rect{fill:#ddf4ff;stroke:#0969da}\
@media (prefers-color-scheme:dark){\
.page{fill:#0d1117}text{fill:#e6edf3}.small{fill:#9198a1}\
.host rect{fill:#151b23;stroke:#3d444d}.host text{fill:#9198a1}\
.node rect,.node path{fill:#212830;stroke:#656c76}\
.edge{stroke:#656c76}.tip{fill:#656c76}\
.add rect{fill:#12261e;stroke:#2ea043}.change rect{fill:#272115;stroke:#d29922}\
.replace rect{fill:#241b38;stroke:#a371f7}.remove rect{fill:#2d1619;stroke:#f85149}\
.drift rect{fill:#2b1c12;stroke:#db6d28}.note rect{fill:#111d2e;stroke:#388bfd}}";

/// How high a line of the legend is, and what is left free around it.
const LEGEND_LINE: i32 = 18;
const LEGEND_MARGIN: i32 = 20;

/// The graph as one SVG document, with a frame for each host. What stands in a box is readable text;
/// pointing at it shows the rest.
pub fn svg(graph: &Graph) -> String {
    let layout = Layout::of(graph);
    let width = layout.width.max(420);
    let legend = Legend::of(graph, width, layout.height);
    let height = legend.bottom + LEGEND_MARGIN / 2;
    let summary = text(&summary(graph, &layout));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"graphics-document document\" \
         aria-label=\"{summary}\">\n<title>{summary}</title>\n<style>{STYLE}</style>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto\"><path class=\"tip\" d=\"M0 0L8 4L0 8z\"/></marker></defs>\n\
         <rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n"
    );
    for (frame, nodes) in &layout.frames {
        let place = &graph.nodes[nodes.start].place;
        write_frame(&mut out, frame, &text(&clean(&place.to_string())));
    }
    for (edge, line) in graph.edges.iter().zip(&layout.lines) {
        let (user, need) = (&graph.nodes[edge.user], &graph.nodes[edge.need]);
        let far = if user.place == need.place { "" } else { " far" };
        let title = format!("{} needs {}", plain_title(user), plain_title(need));
        let (title, path) = (text(&title), path(line));
        let _ = writeln!(
            out,
            "<path class=\"edge{far}\" marker-end=\"url(#tip)\" d=\"{path}\"><title>{title}</title></path>"
        );
    }
    for (node, place) in graph.nodes.iter().zip(&layout.boxes) {
        write_node(&mut out, node, *place);
    }
    legend.write(&mut out);
    out.push_str("</svg>\n");
    out
}

fn summary(graph: &Graph, layout: &Layout) -> String {
    let (things, hosts) = (graph.things(), layout.frames.len());
    let things = if things == 1 { "1 thing".into() } else { format!("{things} things") };
    let hosts = if hosts == 1 { "1 host".into() } else { format!("{hosts} hosts") };
    format!("What needs what: {things} on {hosts}")
}

fn write_frame(out: &mut String, frame: &Rect, place: &str) {
    let Rect { x, y, width, height } = *frame;
    let _ = writeln!(
        out,
        "<g class=\"host\"><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>\
         <text x=\"{}\" y=\"{}\">{place}</text></g>",
        x + 14,
        y + 20
    );
}

/// From left to right in curves that leave and arrive level.
fn path(line: &[Point]) -> String {
    let mut path = String::new();
    for (n, point) in line.iter().enumerate() {
        let Point { x, y } = *point;
        let _ = match n.checked_sub(1).map(|before| line[before]) {
            None => write!(path, "M{x} {y}"),
            Some(before) if before.y == y => write!(path, "L{x} {y}"),
            Some(before) => {
                let reach = ((x - before.x) / 2).abs().max(30);
                write!(path, "C{} {} {} {y} {x} {y}", before.x + reach, before.y, x - reach)
            }
        };
    }
    path
}

fn write_node(out: &mut String, node: &Node, place: Rect) {
    let Rect { x, y, width, height } = place;
    let tooltip = text(&node.tooltip().join("\n"));
    let label = text(&node.tooltip().join(", "));
    let class = match node.mark {
        Some(mark) => format!("{} {}", sort(node.kind()), class(mark)),
        None => sort(node.kind()).into(),
    };
    let _ = write!(
        out,
        "<g class=\"node {class}\" role=\"graphics-symbol img\" aria-label=\"{label}\">\
         <title>{tooltip}</title>"
    );
    // Two more edges behind it, as of a stack.
    if node.members.len() > 1 {
        for behind in [6, 3] {
            let _ = write!(
                out,
                "<rect x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{height}\" rx=\"5\"/>",
                x + behind,
                y + behind
            );
        }
    }
    let (text_x, bar) = (x + 14, height - 12);
    let _ = write!(
        out,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"5\"/>\
         <path class=\"kind\" d=\"M{} {}h3v{bar}h-3z\"/>\
         <text x=\"{text_x}\" y=\"{}\">{}</text>",
        x + 5,
        y + 6,
        y + 19,
        text(&node.title())
    );
    if let Some(subtitle) = node.subtitle() {
        let _ = write!(
            out,
            "<text class=\"small\" x=\"{text_x}\" y=\"{}\">{}</text>",
            y + 35,
            text(&subtitle)
        );
    }
    out.push_str("</g>\n");
}

/// What the bars mean, and what the colours do when a plan is drawn.
struct Legend {
    /// Each at its place.
    entries: Vec<(Point, Explained)>,
    bottom: i32,
}

#[derive(Clone, Copy)]
enum Explained {
    Sort(&'static str),
    Mark(Symbol),
}

impl Legend {
    /// In lines below what is drawn.
    fn of(graph: &Graph, width: i32, top: i32) -> Legend {
        let sorts: BTreeSet<_> = graph.nodes.iter().map(|node| sort(node.kind())).collect();
        let marks: BTreeSet<_> = graph.nodes.iter().filter_map(|node| node.mark).collect();
        let sorts = sorts.into_iter().map(Explained::Sort);
        let (mut x, mut y) = (LEGEND_MARGIN, top + LEGEND_LINE);
        let mut entries = Vec::new();
        for entry in sorts.chain(marks.into_iter().map(Explained::Mark)) {
            let takes = 40 + text_width(&entry.words(), SMALL_CHAR);
            if x > LEGEND_MARGIN && x + takes > width {
                (x, y) = (LEGEND_MARGIN, y + LEGEND_LINE);
            }
            entries.push((Point { x, y }, entry));
            x += takes;
        }
        Legend { entries, bottom: y }
    }

    fn write(&self, out: &mut String) {
        for (Point { x, y }, entry) in &self.entries {
            let (class, sign, indent) = match entry {
                Explained::Sort(sort) => {
                    (*sort, format!("<path class=\"kind\" d=\"M{x} {}h3v10h-3z\"/>", y - 9), 8)
                }
                Explained::Mark(mark) => {
                    let sign = format!(
                        "<rect x=\"{x}\" y=\"{}\" width=\"12\" height=\"10\" rx=\"2\"/>",
                        y - 9
                    );
                    (class(*mark), sign, 17)
                }
            };
            let words = entry.words();
            let _ = writeln!(
                out,
                "<g class=\"node {class}\">{sign}<text class=\"small\" x=\"{}\" y=\"{y}\">{words}\
                 </text></g>",
                x + indent
            );
        }
    }
}

impl Explained {
    fn words(self) -> String {
        match self {
            Explained::Sort(sort) => sort.into(),
            Explained::Mark(mark) => format!("{} {}", mark.as_char(), meaning(mark)),
        }
    }
}

/// The title without the sign of a mark.
fn plain_title(node: &Node) -> String {
    Node { mark: None, ..node.clone() }.title()
}

fn sort(kind: Kind) -> &'static str {
    match kind {
        Kind::Network | Kind::Bridge => "network",
        Kind::Vlan | Kind::VlanRange => "vlan",
        other => other.as_str(),
    }
}

/// Text in an element or between double quotes. Line breaks are kept; other control characters
/// are none of XML's.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
