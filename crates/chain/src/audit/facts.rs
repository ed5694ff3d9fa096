//! What was said about a thing, and by whom.

use std::collections::BTreeSet;

use digest::Digest;
use trust::predicate::{
    Admission, Approval, Dataset, Deployment, Exception, ModelSignature, Provenance, Publish,
    Recall, ScanReport, Serving,
};
use trust::{Artifact, Predicate};

use super::said::{self, Said};
use super::{Fact, Walk};
use crate::ledger::Logged;
use crate::lineage::names;

impl Walk<'_> {
    pub(super) fn facts(&self, artifact: &Artifact) -> Vec<Fact> {
        let about = names(artifact);
        let whole = BTreeSet::from([artifact.digest()]);
        let mut facts = Vec::new();
        collect(
            &mut facts,
            "dataset",
            said::about::<Dataset>(self.ledger, &whole),
            |d| {
                format!(
                    "{} allows `{}` ({}) for {}",
                    short(&d.policy),
                    d.name,
                    d.licence,
                    d.purposes.join(", ")
                )
            },
        );
        let builds = said::about::<Provenance>(self.ledger, &about);
        let builds = builds
            .into_iter()
            .filter(|build| build.statement().covers(artifact))
            .collect();
        collect(&mut facts, "train", builds, build_says);
        collect(
            &mut facts,
            "scan",
            said::about::<ScanReport>(self.ledger, &whole),
            |s| format!("{} by {}", s.verdict.as_str(), s.scanner),
        );
        let signed = BTreeSet::from([artifact.signing_root()]);
        collect(
            &mut facts,
            "sign",
            said::about::<ModelSignature>(self.ledger, &signed),
            |s| format!("{} files signed", s.resources().count()),
        );
        collect(
            &mut facts,
            "publish",
            said::about::<Publish>(self.ledger, &whole),
            publish_says,
        );
        collect(
            &mut facts,
            "deploy",
            said::about::<Deployment>(self.ledger, &whole),
            |d| {
                let scopes = d
                    .scopes
                    .iter()
                    .map(|(scope, value)| format!("{scope} = {value}"));
                scopes.collect::<Vec<_>>().join(", ")
            },
        );
        collect(
            &mut facts,
            "approve",
            said::about::<Approval>(self.ledger, &whole),
            |a| format!("approved, as request {} asked", a.request.short()),
        );
        collect(
            &mut facts,
            "break-glass",
            said::about::<Exception>(self.ledger, &whole),
            |e| {
                let words = e.requirements.join("`, `");
                format!("passes `{words}` until {}: {}", e.expires, e.reason)
            },
        );
        collect(
            &mut facts,
            "admit",
            said::about::<Admission>(self.ledger, &whole),
            |a| {
                format!(
                    "for `{}` in `{}` until {}",
                    a.service_account, a.environment, a.expires
                )
            },
        );
        collect(
            &mut facts,
            "serve",
            said::about::<Serving>(self.ledger, &whole),
            |s| format!("session {} from {}", s.session, s.started_at),
        );
        let recalled = |logged: &&Logged<Recall>| {
            logged
                .statement
                .value()
                .subjects
                .iter()
                .any(|s| about.contains(&s.digest))
        };
        for recall in self.recalls.iter().filter(recalled) {
            let proof = recall.statement.proof();
            facts.push(Fact {
                stage: "recall".to_owned(),
                says: recall.statement.value().predicate.reason.clone(),
                by: proof.key_name.clone(),
                log_index: recall.index,
                bundle: proof.bundle.to_string(),
                // A recall counts also when its key has ended.
                doubt: None,
            });
        }
        facts
    }
}

fn collect<P: Predicate>(
    facts: &mut Vec<Fact>,
    stage: &str,
    found: Vec<Said<P>>,
    says: impl Fn(&P) -> String,
) {
    facts.extend(found.into_iter().map(|said| Fact {
        stage: stage.to_owned(),
        says: says(&said.statement().predicate),
        log_index: said.index,
        bundle: said.bundle.to_string(),
        by: said.by,
        doubt: said.doubt,
    }));
}

fn build_says(build: &Provenance) -> String {
    let source = build.source().map_or("no source".to_owned(), |source| {
        format!("{source} (claimed)")
    });
    let isolation = build
        .isolation()
        .map_or("isolation not stated", trust::predicate::Isolation::as_str);
    format!(
        "built by {} from {source}, {isolation}",
        build.run_details.builder.id
    )
}

fn publish_says(publish: &Publish) -> String {
    let environment = publish
        .package
        .environment
        .as_deref()
        .unwrap_or("any environment");
    format!(
        "{}/{} for {environment} at Build L{}",
        publish.package.registry,
        publish.package.name,
        publish.build_level()
    )
}

fn short(digest: &str) -> String {
    digest.parse::<Digest>().map_or_else(
        |_| digest.to_owned(),
        |digest| format!("policy {}", digest.short()),
    )
}
