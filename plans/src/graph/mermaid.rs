//! For Markdown pages that draw Mermaid.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use lessor_specs::Kind;

use super::{Graph, Node, dot};
use crate::render::Symbol;

/// The most edges Mermaid draws, unless whoever draws it allows more.
pub const MERMAID_EDGES: usize = 500;

/// The graph as a Mermaid flowchart, with a subgraph for each host.
pub fn mermaid(graph: &Graph) -> String {
    let mut out = String::from("flowchart LR\n");
    let mut place = None;
    let mut places = 0;
    for (number, node) in graph.nodes.iter().enumerate() {
        if place != Some(&node.place) {
            out.push_str(if place.is_some() { "  end\n" } else { "" });
            let _ = writeln!(out, "  subgraph g{places}[\"{}\"]", text(&node.place.to_string()));
            (place, places) = (Some(&node.place), places + 1);
        }
        write_node(&mut out, node, number);
    }
    out.push_str(if place.is_some() { "  end\n" } else { "" });
    for edge in &graph.edges {
        let _ = writeln!(out, "  n{} --> n{}", edge.user, edge.need);
    }
    let marks: BTreeSet<Symbol> = graph.nodes.iter().filter_map(|node| node.mark).collect();
    for mark in marks {
        let (fill, line) = dot::colors(mark);
        let _ = writeln!(
            out,
            "  classDef {} fill:{fill},stroke:{line},stroke-width:2px,color:#1f2328",
            class(mark)
        );
    }
    out
}

fn write_node(out: &mut String, node: &Node, number: usize) {
    let (open, close) = match node.kind() {
        Kind::Volume => ("[(", ")]"),
        Kind::Network | Kind::Bridge | Kind::Vlan | Kind::VlanRange => ("([", "])"),
        Kind::Image => ("[/", "/]"),
        Kind::Instance => ("[[", "]]"),
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
        | Kind::Vpn => ("[", "]"),
    };
    let subtitle = node.subtitle().map(|subtitle| format!("<br/>{}", text(&subtitle)));
    let (title, subtitle) = (text(&node.title()), subtitle.unwrap_or_default());
    let class = node.mark.map(|mark| format!(":::{}", class(mark))).unwrap_or_default();
    let _ = writeln!(out, "    n{number}{open}\"{title}{subtitle}\"{close}{class}");
}

pub(super) fn class(mark: Symbol) -> &'static str {
    match mark {
        Symbol::Add => "add",
        Symbol::Change => "change",
        Symbol::Replace => "replace",
        Symbol::Remove => "remove",
        Symbol::Drift => "drift",
        Symbol::Note => "note",
    }
}

/// Text between double quotes, which Mermaid reads as HTML and as Markdown.
fn text(text: &str) -> String {
    let clean = super::clean(text);
    // What begins like a list would be drawn as one, or not at all.
    let list = clean.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(['.', ')']);
    let begins_a_list = list || clean.starts_with(['+', '-']);
    let mut out = String::with_capacity(clean.len());
    for (at, c) in clean.char_indices() {
        let means_something = matches!(
            c,
            '"' | '#' | '&' | '<' | '>' | '`' | '*' | '_' | '\\' | ';' | '%' | '{' | '}'
        );
        if means_something || at == 0 && begins_a_list {
            let _ = write!(out, "#{};", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}
