//! `modelward policy diff BEFORE AFTER`

use std::collections::BTreeSet;

use policy::gate::Policy;
use serde_json::{Value, json};

use crate::answer::{Answer, Failure};
use crate::lines::Lines;

pub(super) fn run(before: &Policy, after: &Policy) -> Result<Answer, Failure> {
    let (old, new) = (rules(before), rules(after));
    let mut text = Lines::default();
    let mut differences: Vec<Value> = Vec::new();
    let both: BTreeSet<&(String, String)> = old.iter().chain(&new).collect();
    for rule in both {
        let sign = match (old.contains(rule), new.contains(rule)) {
            (true, false) => "-",
            (false, true) => "+",
            _ => continue,
        };
        let (word, asks) = rule;
        text.push(format!("{sign} {word}: {asks}"));
        differences.push(json!({"only": if sign == "-" { "before" } else { "after" }, "requirement": word, "asks": asks}));
    }
    if differences.is_empty() {
        text.push("both require the same");
    }
    let data = json!({"before": before.digest().to_string(), "after": after.digest().to_string(), "differences": differences});
    Ok(Answer::new(text, data))
}

/// Every clause of a policy with the word that it stands under, where it speaks among them.
fn rules(policy: &Policy) -> BTreeSet<(String, String)> {
    let scopes = super::scopes(policy)
        .into_iter()
        .map(|scope| ("scope".to_owned(), scope));
    let asks = policy.asks().into_iter();
    let asks =
        asks.flat_map(|(word, asks)| asks.into_iter().map(move |ask| (word.to_owned(), ask)));
    scopes.chain(asks).collect()
}
