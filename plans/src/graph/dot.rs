//! For Graphviz.

use std::collections::HashSet;
use std::fmt::Write as _;

use lessor_specs::Kind;

use super::{Graph, Node};
use crate::render::Symbol;

/// The graph in the DOT language, with a cluster for each host. `dot` lays it out.
pub fn dot(graph: &Graph) -> String {
    let mut out = String::from(
        "digraph lessor {\n  \
         graph [rankdir=LR, ranksep=1, nodesep=0.2, fontname=\"Helvetica,sans-serif\"];\n  \
         node [shape=box, style=\"rounded,filled\", fillcolor=\"#f6f8fa\", color=\"#57606a\", \
         fontcolor=\"#1f2328\", fontname=\"Helvetica,sans-serif\", fontsize=11];\n  \
         edge [color=\"#57606a\", arrowsize=0.7];\n",
    );
    let ids = ids(graph);
    let mut place = None;
    for (node, id) in graph.nodes.iter().zip(&ids) {
        if place != Some(&node.place) {
            out.push_str(if place.is_some() { "  }\n" } else { "" });
            let name = text(&node.place.to_string());
            let _ = writeln!(out, "  subgraph \"cluster_{name}\" {{\n    label=\"{name}\";");
            out.push_str("    style=rounded; color=\"#8c959f\"; fontcolor=\"#57606a\";\n");
            place = Some(&node.place);
        }
        write_node(&mut out, node, id);
    }
    out.push_str(if place.is_some() { "  }\n" } else { "" });
    for edge in &graph.edges {
        let (user, need) = (&ids[edge.user], &ids[edge.need]);
        let count = (edge.count > 1).then(|| format!(" [tooltip=\"{} times\"]", edge.count));
        let _ = writeln!(out, "  \"{user}\" -> \"{need}\"{};", count.unwrap_or_default());
    }
    out.push_str("}\n");
    out
}

/// What each node is called in the text: its first address, with the host where two have the same.
fn ids(graph: &Graph) -> Vec<String> {
    let mut known = HashSet::new();
    let id = |node: &Node| {
        let plain = text(&node.address().to_string());
        if known.insert(plain.clone()) { plain } else { format!("{plain} on {}", node.place) }
    };
    graph.nodes.iter().map(id).collect()
}

fn write_node(out: &mut String, node: &Node, id: &str) {
    let mut label = text(&node.title());
    if let Some(subtitle) = node.subtitle() {
        let _ = write!(label, "\\n{}", text(&subtitle));
    }
    let tooltip: Vec<_> = node.tooltip().iter().map(|line| text(line)).collect();
    let tooltip = tooltip.join("\\n");
    let _ = write!(out, "    \"{id}\" [label=\"{label}\", tooltip=\"{tooltip}\"");
    if let Some(shape) = shape(node.kind()) {
        let _ = write!(out, ", {shape}");
    }
    if node.members.len() > 1 {
        out.push_str(", peripheries=2");
    }
    if let Some((fill, line)) = node.mark.map(colors) {
        let _ = write!(out, ", fillcolor=\"{fill}\", color=\"{line}\", penwidth=1.5");
    }
    out.push_str("];\n");
}

fn shape(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Volume => Some("shape=cylinder, style=filled"),
        Kind::Network | Kind::Bridge | Kind::Vlan | Kind::VlanRange => {
            Some("shape=ellipse, style=filled")
        }
        Kind::Image => Some("shape=note, style=filled"),
        Kind::Instance => Some("shape=component, style=filled"),
        Kind::AddressPool
        | Kind::Alias
        | Kind::Container
        | Kind::Docker
        | Kind::FirewallRule
        | Kind::FirewallTemplate
        | Kind::Location
        | Kind::Machine
        | Kind::Offer
        | Kind::OutboundNat
        | Kind::PfSense
        | Kind::Policy
        | Kind::Pool
        | Kind::PortForward
        | Kind::PortRange
        | Kind::PromoCode
        | Kind::Proxmox
        | Kind::Quota
        | Kind::Tenant
        | Kind::Vpn => None,
    }
}

/// Fill and line of what a plan would do.
pub(super) fn colors(mark: Symbol) -> (&'static str, &'static str) {
    match mark {
        Symbol::Add => ("#dafbe1", "#1a7f37"),
        Symbol::Change => ("#fff8c5", "#9a6700"),
        Symbol::Replace => ("#fbefff", "#8250df"),
        Symbol::Remove => ("#ffebe9", "#cf222e"),
        Symbol::Drift => ("#fff1e5", "#bc4c00"),
        Symbol::Note => ("#ddf4ff", "#0969da"),
    }
}

/// Text between double quotes. Graphviz reads `\` as the beginning of something, and `&` as that
/// of an HTML entity.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in super::clean(text).chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out
}
