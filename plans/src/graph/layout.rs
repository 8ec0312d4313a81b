//! Where everything stands in a drawing of our own.
//!
//! Within a host, users stand left of what they need, in layers; a line that passes a layer gets a
//! place of its own there. Things of a layer are ordered and moved towards what they are connected
//! with. Whole numbers only: the same graph gives the same drawing on every machine.

use std::collections::HashMap;
use std::ops::Range;

use super::{Graph, Node};

/// The height of a node's box with one line of text, and what a second one adds.
const LINE: i32 = 30;
const SECOND_LINE: i32 = 15;
/// Between boxes above each other.
const GAP: i32 = 12;
/// Between layers, where lines cross.
const LANE: i32 = 72;
/// Around what stands in a frame, and its title.
const PADDING: i32 = 18;
const TITLE: i32 = 30;
/// Around frames.
const MARGIN: i32 = 20;
/// Frames stand beside each other up to this width.
const PAGE: i32 = 1400;
/// A character of the title, and of the line below, in tenths of a pixel.
const TITLE_CHAR: i32 = 73;
pub(super) const SMALL_CHAR: i32 = 62;
/// How often the order of layers is improved. More hardly changes it.
const ROUNDS: usize = 6;

/// A drawing: where its frames, boxes and lines are.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) width: i32,
    pub(super) height: i32,
    /// One for each host, with the nodes in it.
    pub(super) frames: Vec<(Rect, Range<usize>)>,
    /// One for each node.
    pub(super) boxes: Vec<Rect>,
    /// For each edge, the points it passes.
    pub(super) lines: Vec<Vec<Point>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) x: i32,
    pub(super) y: i32,
}

impl Layout {
    pub(super) fn of(graph: &Graph) -> Layout {
        let mut layout = Layout {
            boxes: vec![Rect::default(); graph.nodes.len()],
            lines: vec![Vec::new(); graph.edges.len()],
            ..Layout::default()
        };
        let hosts = hosts(graph);
        let mut sheets: Vec<_> = hosts.into_iter().map(|nodes| Sheet::of(graph, nodes)).collect();
        let page = sheets.iter().map(|sheet| sheet.width).max().unwrap_or(0).max(PAGE);
        let (mut x, mut y, mut tallest) = (MARGIN, MARGIN, 0);
        for sheet in &mut sheets {
            if x > MARGIN && x + sheet.width > MARGIN + page {
                (x, y, tallest) = (MARGIN, y + tallest + MARGIN, 0);
            }
            layout.put(sheet, x, y);
            layout.width = layout.width.max(x + sheet.width + MARGIN);
            tallest = tallest.max(sheet.height);
            x += sheet.width + MARGIN;
            layout.height = y + tallest + MARGIN;
        }
        layout.straight_lines(graph);
        layout
    }

    fn put(&mut self, sheet: &Sheet, x: i32, y: i32) {
        let frame = Rect { x, y, width: sheet.width, height: sheet.height };
        self.frames.push((frame, sheet.nodes.clone()));
        let (x, y) = (x + PADDING, y + TITLE);
        for (place, number) in sheet.places.iter().zip(sheet.nodes.clone()) {
            self.boxes[number] = Rect { x: place.x + x, y: place.y + y, ..*place };
        }
        for (edge, bends) in &sheet.bends {
            let bends = bends.iter().flat_map(|bend| {
                let place = &sheet.places[*bend];
                let y = place.middle() + y;
                [Point { x: place.x + x, y }, Point { x: place.x + place.width + x, y }]
            });
            self.lines[*edge] = bends.collect();
        }
    }

    /// Both ends of each line.
    fn straight_lines(&mut self, graph: &Graph) {
        for (edge, line) in graph.edges.iter().zip(&mut self.lines) {
            let (user, need) = (self.boxes[edge.user], self.boxes[edge.need]);
            line.insert(0, Point { x: user.x + user.width, y: user.middle() });
            line.push(Point { x: need.x, y: need.middle() });
        }
    }
}

impl Rect {
    pub(super) fn middle(&self) -> i32 {
        self.y + self.height / 2
    }
}

/// The nodes of each host, which follow each other.
fn hosts(graph: &Graph) -> Vec<Range<usize>> {
    let mut hosts: Vec<Range<usize>> = Vec::new();
    for (number, node) in graph.nodes.iter().enumerate() {
        match hosts.last_mut() {
            Some(host) if graph.nodes[host.start].place == node.place => host.end = number + 1,
            _ => hosts.push(number..number + 1),
        }
    }
    hosts
}

/// One host by itself. Its vertices are its nodes and, behind them, the bends of long lines.
struct Sheet {
    nodes: Range<usize>,
    width: i32,
    height: i32,
    /// Where each vertex stands.
    places: Vec<Rect>,
    /// The bends of each line that has some.
    bends: HashMap<usize, Vec<usize>>,
}

/// Vertices in layers, and which are connected with which in the layers beside.
struct Layers {
    in_order: Vec<Vec<usize>>,
    left: Vec<Vec<usize>>,
    right: Vec<Vec<usize>>,
}

impl Sheet {
    fn of(graph: &Graph, nodes: Range<usize>) -> Sheet {
        let ranks = ranks(graph, &nodes);
        let (mut layers, bends) = Layers::of(graph, &nodes, &ranks);
        layers.untangle();
        let mut sheet = Sheet { nodes, width: 0, height: 0, places: Vec::new(), bends };
        sheet.place(graph, &layers);
        sheet
    }

    /// Gives every vertex its place.
    fn place(&mut self, graph: &Graph, layers: &Layers) {
        let size = |vertex: usize| match graph.nodes.get(self.nodes.start + vertex) {
            Some(node) if vertex < self.nodes.len() => size(node),
            _ => (0, 2),
        };
        self.places = (0..layers.left.len())
            .map(|vertex| {
                let (width, height) = size(vertex);
                Rect { x: 0, y: 0, width, height }
            })
            .collect();
        let mut x = 0;
        for layer in &layers.in_order {
            let width = layer.iter().map(|v| self.places[*v].width).max().unwrap_or(0);
            let mut y = 0;
            for vertex in layer {
                let place = &mut self.places[*vertex];
                (place.x, place.y, place.width) = (x, y, width);
                y += place.height + GAP;
            }
            x += width + LANE;
        }
        for _ in 0..2 {
            for layer in layers.in_order.iter().skip(1) {
                self.draw_near(layer, &layers.left);
            }
            for layer in layers.in_order.iter().rev().skip(1) {
                self.draw_near(layer, &layers.right);
            }
        }
        let top = self.places.iter().map(|place| place.y).min().unwrap_or(0);
        self.places.iter_mut().for_each(|place| place.y -= top);
        let bottom = self.places.iter().map(|place| place.y + place.height).max().unwrap_or(0);
        let title = graph.nodes[self.nodes.start].place.to_string();
        self.width = (x - LANE).max(text_width(&title, TITLE_CHAR)) + 2 * PADDING;
        self.height = bottom + TITLE + PADDING;
    }

    /// Moves the vertices of a layer towards those they are connected with, in the same order.
    fn draw_near(&mut self, layer: &[usize], near: &[Vec<usize>]) {
        let middle = |vertex: usize| self.places[vertex].middle();
        let wished: Vec<i32> = layer
            .iter()
            .map(|&vertex| match near[vertex].as_slice() {
                [] => self.places[vertex].y,
                near => mean(near.iter().map(|v| middle(*v))) - self.places[vertex].height / 2,
            })
            .collect();
        let mut free = i32::MIN;
        let mut tops = Vec::with_capacity(layer.len());
        for (vertex, wished) in layer.iter().zip(&wished) {
            let top = free.max(*wished);
            tops.push(top);
            free = top + self.places[*vertex].height + GAP;
        }
        let shift = mean(wished.iter().zip(&tops).map(|(wished, top)| wished - top));
        for (vertex, top) in layer.iter().zip(tops) {
            self.places[*vertex].y = top + shift;
        }
    }
}

fn mean(values: impl Iterator<Item = i32>) -> i32 {
    let (sum, count) =
        values.fold((0i64, 0i64), |(sum, count), value| (sum + i64::from(value), count + 1));
    i32::try_from(sum / count.max(1)).unwrap_or(0)
}

/// The layer of each node: behind all that need it.
fn ranks(graph: &Graph, nodes: &Range<usize>) -> Vec<usize> {
    let mut ranks = vec![0; nodes.len()];
    let mut needs: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut waiting = vec![0usize; nodes.len()];
    for edge in inner(graph, nodes) {
        needs[edge.1].push(edge.2);
        waiting[edge.2] += 1;
    }
    let mut open: Vec<usize> = (0..nodes.len()).filter(|node| waiting[*node] == 0).collect();
    while let Some(node) = open.pop() {
        for &need in &needs[node] {
            ranks[need] = ranks[need].max(ranks[node] + 1);
            waiting[need] -= 1;
            if waiting[need] == 0 {
                open.push(need);
            }
        }
    }
    ranks
}

/// The edges within a host: their number, and both ends as vertices.
fn inner<'g>(
    graph: &'g Graph,
    nodes: &'g Range<usize>,
) -> impl Iterator<Item = (usize, usize, usize)> + 'g {
    graph.edges.iter().enumerate().filter_map(|(number, edge)| {
        let is_inner = nodes.contains(&edge.user) && nodes.contains(&edge.need);
        is_inner.then(|| (number, edge.user - nodes.start, edge.need - nodes.start))
    })
}

impl Layers {
    fn of(
        graph: &Graph,
        nodes: &Range<usize>,
        ranks: &[usize],
    ) -> (Layers, HashMap<usize, Vec<usize>>) {
        let last = ranks.iter().max().copied().unwrap_or(0);
        let mut layers = Layers {
            in_order: vec![Vec::new(); last + 1],
            left: vec![Vec::new(); nodes.len()],
            right: vec![Vec::new(); nodes.len()],
        };
        for (vertex, rank) in ranks.iter().enumerate() {
            layers.in_order[*rank].push(vertex);
        }
        let mut bends: HashMap<usize, Vec<usize>> = HashMap::new();
        for (number, user, need) in inner(graph, nodes) {
            let mut from = user;
            for layer in ranks[user] + 1..ranks[need] {
                let bend = layers.bend(layer);
                layers.connect(from, bend);
                bends.entry(number).or_default().push(bend);
                from = bend;
            }
            layers.connect(from, need);
        }
        (layers, bends)
    }

    fn bend(&mut self, layer: usize) -> usize {
        let bend = self.left.len();
        self.in_order[layer].push(bend);
        self.left.push(Vec::new());
        self.right.push(Vec::new());
        bend
    }

    fn connect(&mut self, left: usize, right: usize) {
        self.right[left].push(right);
        self.left[right].push(left);
    }

    /// Orders each layer by where its neighbours stand, from left to right and back.
    fn untangle(&mut self) {
        let Layers { in_order: layers, left, right } = self;
        let mut position = vec![0usize; left.len()];
        let number = |layer: &[usize], position: &mut Vec<usize>| {
            layer.iter().enumerate().for_each(|(n, vertex)| position[*vertex] = n);
        };
        for layer in layers.iter() {
            number(layer, &mut position);
        }
        for _ in 0..ROUNDS {
            for layer in layers.iter_mut().skip(1) {
                order(layer, left, &position);
                number(layer, &mut position);
            }
            for layer in layers.iter_mut().rev().skip(1) {
                order(layer, right, &position);
                number(layer, &mut position);
            }
        }
    }
}

/// By the mean position of neighbours, in parts of one; what has none stays where it is.
fn order(layer: &mut [usize], near: &[Vec<usize>], position: &[usize]) {
    const PARTS: usize = 1024;
    layer.sort_by_key(|vertex| match near[*vertex].as_slice() {
        [] => position[*vertex] * PARTS,
        near => near.iter().map(|v| position[*v] * PARTS).sum::<usize>() / near.len(),
    });
}

fn size(node: &Node) -> (i32, i32) {
    let title = text_width(&node.title(), TITLE_CHAR);
    let (subtitle, more) = match node.subtitle() {
        Some(subtitle) => (text_width(&subtitle, SMALL_CHAR), SECOND_LINE),
        None => (0, 0),
    };
    (title.max(subtitle) + 28, LINE + more)
}

/// About what a text takes. Characters beyond ASCII may be twice as wide.
pub(super) fn text_width(text: &str, tenths: i32) -> i32 {
    let count: i32 =
        text.chars().map(|c| if c.is_ascii() || c == '×' || c == '…' { 1 } else { 2 }).sum();
    count * tenths / 10
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::graph::tests::graphs;

    fn overlap(a: &Rect, b: &Rect) -> bool {
        let apart = |at: i32, size: i32, other: i32, other_size: i32| {
            at + size <= other || other + other_size <= at
        };
        !apart(a.x, a.width, b.x, b.width) && !apart(a.y, a.height, b.y, b.height)
    }

    fn holds(outer: &Rect, inner: &Rect) -> bool {
        outer.x <= inner.x
            && outer.y <= inner.y
            && inner.x + inner.width <= outer.x + outer.width
            && inner.y + inner.height <= outer.y + outer.height
    }

    proptest! {
        #[test]
        fn nothing_covers_anything_and_every_line_meets_its_ends(graph in graphs()) {
            let layout = Layout::of(&graph);
            let page = Rect { x: 0, y: 0, width: layout.width, height: layout.height };
            for (n, (frame, nodes)) in layout.frames.iter().enumerate() {
                prop_assert!(holds(&page, frame));
                prop_assert!(layout.frames[..n].iter().all(|(other, _)| !overlap(frame, other)));
                prop_assert!(layout.boxes[nodes.clone()].iter().all(|place| holds(frame, place)));
            }
            for (n, place) in layout.boxes.iter().enumerate() {
                prop_assert!(layout.boxes[..n].iter().all(|other| !overlap(place, other)));
            }
            for (edge, line) in graph.edges.iter().zip(&layout.lines) {
                let (user, need) = (layout.boxes[edge.user], layout.boxes[edge.need]);
                prop_assert_eq!(line[0], Point { x: user.x + user.width, y: user.middle() });
                prop_assert_eq!(line[line.len() - 1], Point { x: need.x, y: need.middle() });
            }
        }
    }
}
