//! A trace as a picture.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Node, Trace};

/// The trace as a Mermaid flow chart, left to right as the chain runs.
#[must_use]
pub fn mermaid(trace: &Trace) -> String {
    let mut chart = Chart::default();
    let target = chart.backward(&trace.backward);
    for node in &trace.forward {
        let next = chart.forward(node);
        chart.link(&target, &next);
    }
    format!("flowchart LR\n{}{}", chart.nodes, chart.links)
}

#[derive(Default)]
struct Chart {
    nodes: String,
    links: String,
    seen: BTreeMap<String, String>,
}

impl Chart {
    fn backward(&mut self, node: &Node) -> String {
        let id = self.node(node);
        for from in &node.links {
            let from = self.backward(from);
            self.link(&from, &id);
        }
        id
    }

    fn forward(&mut self, node: &Node) -> String {
        let id = self.node(node);
        for next in &node.links {
            let next = self.forward(next);
            self.link(&id, &next);
        }
        id
    }

    fn node(&mut self, node: &Node) -> String {
        let key = format!("{}{}", node.digest, node.name);
        if let Some(id) = self.seen.get(&key) {
            return id.clone();
        }
        let id = format!("n{}", self.seen.len());
        let label: Vec<String> = [
            format!("{}: {}", node.kind, node.name),
            node.digest.chars().take(19).collect(),
        ]
        .into_iter()
        .chain(node.facts.iter().map(|fact| match fact.doubt {
            None => format!("{} by {}", fact.stage, fact.who()),
            Some(_) => format!("{} by {} (not believed)", fact.stage, fact.who()),
        }))
        .map(|line| plain(&line))
        .collect();
        // Writing to a string does not fail.
        let _ = writeln!(self.nodes, "  {id}[\"{}\"]", label.join("<br/>"));
        self.seen.insert(key, id.clone());
        id
    }

    fn link(&mut self, from: &str, to: &str) {
        let line = format!("  {from} --> {to}\n");
        if !self.links.contains(&line) {
            self.links.push_str(&line);
        }
    }
}

/// Names come from statements: what a chart would read as its own syntax is written as an entity.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars().take(120) {
        match character {
            // `%%{` begins a directive wherever it stands, also in quotes.
            '"' | '<' | '>' | '#' | '&' | '`' | '\\' | ';' | '%' => {
                let _ = write!(out, "#{};", u32::from(character));
            }
            '\u{2028}' | '\u{2029}' => out.push(' '),
            _ if character.is_control() => out.push(' '),
            _ => out.push(character),
        }
    }
    out
}
