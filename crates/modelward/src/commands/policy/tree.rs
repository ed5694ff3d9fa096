//! A decision, as a tree for a person and as data for a program.

use chain::gate::Judged;
use policy::gate::{Decision, Excepted, Finding, Mode, Outcome, Said, Tried};
use serde_json::{Value, json};
use trust::{Reason, Verdict};

use crate::lines::Lines;

/// How many candidates a terminal is shown of each requirement: the rest is in `--json`.
const TRIED_MAX: usize = 20;

/// The tree for a person.
pub(crate) fn lines(judged: &Judged) -> Lines {
    let decision = &judged.decision;
    let word = match (judged.denied(), decision.is_met()) {
        (Some(_), _) => "no",
        (None, true) => "yes",
        (None, false) => "yes, though it does not satisfy",
    };
    let place = place(decision);
    let mut lines = Lines::from(format!(
        "{word}: `{}` ({}), {} {place}",
        decision.name,
        decision.policy.short(),
        mode(decision.mode)
    ));
    for finding in &decision.findings {
        lines.extend(of_finding(finding));
    }
    lines.push(match judged.recalled.as_slice() {
        [] => "└─ recalls: none".to_owned(),
        some => format!("└─ recalls: no: {}", some[0].message),
    });
    let ways = ways(judged);
    if !ways.is_empty() {
        lines.push("the cheapest way to yes:");
        lines.extend(
            ways.iter()
                .enumerate()
                .map(|(index, way)| format!("  {}. {way}", index + 1)),
        );
    }
    lines
}

fn of_finding(finding: &Finding) -> Vec<String> {
    let names = |said: &[Said]| {
        let named: Vec<String> = said
            .iter()
            .map(|said| format!("statement {} by {}", said.bundle.short(), said.by))
            .collect();
        named.join(", ")
    };
    let what = match &finding.outcome {
        Outcome::Met(said) => format!("yes: {}", names(said)),
        Outcome::Excepted(Excepted { by: said, .. }) => format!(
            "let pass by the exception {} of {}",
            said.bundle.short(),
            said.by
        ),
        Outcome::Unmet(_) => "no".to_owned(),
    };
    let mut lines = vec![format!("├─ {}: {what}", finding.requirement)];
    lines.push(format!("│    asks for {}", finding.asks.join("; ")));
    if matches!(finding.outcome, Outcome::Met(_)) {
        return lines;
    }
    for Tried { said, against } in finding.tried.iter().take(TRIED_MAX) {
        lines.push(format!(
            "│    statement {} by {}: {}",
            said.bundle.short(),
            said.by,
            if against.is_empty() {
                "counts"
            } else {
                "does not count"
            }
        ));
        lines.extend(
            against
                .iter()
                .map(|reason| format!("│      [{}] {}", reason.code, reason.message)),
        );
    }
    if finding.tried.len() > TRIED_MAX {
        lines.push(format!("│    and {} more", finding.tried.len() - TRIED_MAX));
    }
    if let (Outcome::Unmet(reasons), true) = (&finding.outcome, finding.tried.is_empty()) {
        lines.extend(
            reasons
                .iter()
                .map(|reason| format!("│    [{}] {}", reason.code, reason.message)),
        );
    }
    lines
}

/// What is to be done, each thing once.
fn ways(judged: &Judged) -> Vec<String> {
    let reasons = judged
        .recalled
        .iter()
        .cloned()
        .chain(judged.decision.reasons());
    let mut ways: Vec<String> = Vec::new();
    for reason in reasons {
        if !reason.way.is_empty() && !ways.contains(&reason.way) {
            ways.push(reason.way);
        }
    }
    ways
}

/// What a policy lets pass though it is not satisfied: each a line to be told.
pub(crate) fn let_pass(decision: &Decision) -> Vec<String> {
    let Verdict::Allowed(passed) = decision.verdict() else {
        return Vec::new();
    };
    let name = &decision.name;
    let excepted = passed.exceptions.iter().map(|(word, Excepted { by, reasons, .. })| {
        format!("BREAK GLASS: `{word}` of the policy `{name}` was let pass by the exception {} of `{}`: {}", by.bundle.short(), by.by, said(reasons))
    });
    let passed_over = passed
        .passed_over
        .iter()
        .filter(|_| decision.mode == Mode::Warn);
    let passed_over = passed_over.map(|(word, reasons)| {
        format!(
            "`{word}` of the policy `{name}` is not satisfied, and it only warns here: {}",
            said(reasons)
        )
    });
    excepted.chain(passed_over).collect()
}

fn said(reasons: &[Reason]) -> String {
    let messages: Vec<&str> = reasons
        .iter()
        .map(|reason| reason.message.as_str())
        .collect();
    messages.join("; ")
}

const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "which enforces",
        Mode::Warn => "which only warns",
        Mode::Audit => "which only looks",
    }
}

fn place(decision: &Decision) -> String {
    match &decision.place.environment {
        Some(environment) => format!("in `{environment}`"),
        None => "in no environment".to_owned(),
    }
}

/// The tree for a program.
pub(crate) fn data(judged: &Judged) -> Value {
    let decision = &judged.decision;
    let requirements: Vec<Value> = decision.findings.iter().map(finding).collect();
    json!({
        "policy": decision.policy.to_string(),
        "name": decision.name,
        "mode": decision.mode.as_str(),
        "environment": decision.place.environment,
        "scopes": decision.place.scopes,
        "met": decision.is_met(),
        "requirements": requirements,
        "recalled": reasons(&judged.recalled),
        "ways": ways(judged),
    })
}

fn finding(finding: &Finding) -> Value {
    let (outcome, by, against) = match &finding.outcome {
        Outcome::Met(said) => ("met", said.as_slice(), [].as_slice()),
        Outcome::Excepted(Excepted {
            by: said,
            reasons: against,
            ..
        }) => ("excepted", std::slice::from_ref(said), against.as_slice()),
        Outcome::Unmet(against) => ("unmet", [].as_slice(), against.as_slice()),
    };
    let tried = finding.tried.iter();
    let tried = tried.map(|tried| json!({"bundle": tried.said.bundle.to_string(), "by": tried.said.by, "reasons": reasons(&tried.against)}));
    let tried: Vec<Value> = tried.collect();
    let by: Vec<Value> = by
        .iter()
        .map(|said| json!({"bundle": said.bundle.to_string(), "by": said.by}))
        .collect();
    json!({"requirement": finding.requirement, "asks": finding.asks, "outcome": outcome, "statements": by,
           "reasons": reasons(against), "tried": tried})
}

pub(crate) fn reasons(of: &[Reason]) -> Vec<Value> {
    let reason = |reason: &Reason| json!({"code": reason.code.as_str(), "message": reason.message, "way": reason.way});
    of.iter().map(reason).collect()
}
