//! What was said about a thing, and by whom.

use std::collections::BTreeSet;

use digest::Digest;
use trust::predicate::{
    Admission, Dataset, Deployment, ModelSignature, Provenance, Publish, Recall, ScanReport,
    Serving,
};
use trust::{Artifact, Predicate};

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
            self.ledger.about::<Dataset>(&whole).believed,
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
        let builds = self.ledger.about::<Provenance>(&about).believed;
        let builds = builds
            .into_iter()
            .filter(|build| build.statement.value().covers(artifact))
            .collect();
        collect(&mut facts, "train", builds, build_says);
        collect(
            &mut facts,
            "scan",
            self.ledger.about::<ScanReport>(&whole).believed,
            |s| format!("{} by {}", s.verdict.as_str(), s.scanner),
        );
        let signed = BTreeSet::from([artifact.signing_root()]);
        collect(
            &mut facts,
            "sign",
            self.ledger.about::<ModelSignature>(&signed).believed,
            |s| format!("{} files signed", s.resources().count()),
        );
        collect(
            &mut facts,
            "publish",
            self.ledger.about::<Publish>(&whole).believed,
            publish_says,
        );
        collect(
            &mut facts,
            "deploy",
            self.ledger.about::<Deployment>(&whole).believed,
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
            "admit",
            self.ledger.about::<Admission>(&whole).believed,
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
            self.ledger.about::<Serving>(&whole).believed,
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
            facts.push(fact(
                "recall",
                recall,
                recall.statement.value().predicate.reason.clone(),
            ));
        }
        facts
    }
}

fn collect<P: Predicate>(
    facts: &mut Vec<Fact>,
    stage: &str,
    found: Vec<Logged<P>>,
    says: impl Fn(&P) -> String,
) {
    for logged in found {
        facts.push(fact(
            stage,
            &logged,
            says(&logged.statement.value().predicate),
        ));
    }
}

fn fact<P>(stage: &str, logged: &Logged<P>, says: String) -> Fact {
    let proof = logged.statement.proof();
    Fact {
        stage: stage.to_owned(),
        says,
        by: proof.key_name.clone(),
        log_index: logged.index,
        bundle: proof.bundle.to_string(),
    }
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
