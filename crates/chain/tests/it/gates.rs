//! What the gates are asked with: policies, rules, and a model that all of them let through.

use chain::serve::Place;
use chain::train::WORKSTATION;
use chain::{Logged, admit, deploy, publish, serve};
use policy::admission::AdmissionRules;
use policy::slsa::{DeploymentPolicies, PackageName, PublishPolicies};
use serde_json::json;
use trust::predicate::{Admission, Deployment, Provenance, Publish, ScanVerdict};
use trust::{Artifact, Statement, Time, Verdict};

use crate::kit::{
    KEY, NOW, PUBLISHER, SOURCE, World, allowed, built, data, model, now, scanned, signed, whole,
};

pub(crate) const PACKAGE: &str = "registry.example/team/digits";
pub(crate) const ACCOUNT: &str = "digits@prod.example";
pub(crate) const DAY: i64 = 24 * 60 * 60;

pub(crate) fn digits() -> Artifact {
    model("digits")
}

pub(crate) fn publish_policies() -> PublishPolicies {
    let org = json!({"format": 1, "roots": {"build": [
        {"id": WORKSTATION, "name": "workstation", "slsa_level": 1},
    ]}});
    let project = json!({
        "format": 1,
        "package": {"name": PACKAGE, "environment": {"any_of": ["prod", "staging"]}},
        "build": {"require_slsa_builder": "workstation", "repository": {"uri": SOURCE}},
    });
    let files = [("digits.json".to_owned(), project.to_string().into_bytes())];
    PublishPolicies::parse(org.to_string().as_bytes(), &files).unwrap()
}

pub(crate) fn deployment_policies() -> DeploymentPolicies {
    let org = json!({"format": 1, "roots": {"publish": [
        {"id": PUBLISHER, "build": {"max_slsa_level": 2}},
    ]}});
    let project = json!({
        "format": 1,
        "protection": {"google_service_account": ACCOUNT},
        "build": {"require_slsa_level": 1},
        "packages": [{"name": PACKAGE, "environment": {"any_of": ["prod"]}}],
    });
    let files = [("prod.json".to_owned(), project.to_string().into_bytes())];
    DeploymentPolicies::parse(org.to_string().as_bytes(), &files).unwrap()
}

pub(crate) fn rules() -> AdmissionRules {
    AdmissionRules {
        package: PackageName::parse(PACKAGE).unwrap(),
        environment: "prod".to_owned(),
        service_account: ACCOUNT.to_owned(),
        max_age_seconds: 30 * DAY,
        formats: None,
    }
}

pub(crate) fn published(world: &World, environment: Option<&str>) -> Verdict<Statement<Publish>> {
    let (policies, ledger) = (publish_policies(), world.ledger());
    publish::decide(&ledger, &policies, PACKAGE, environment, &digits(), now()).unwrap()
}

pub(crate) fn deployed(
    world: &World,
    policy: &str,
    package: &str,
) -> Verdict<Statement<Deployment>> {
    let (policies, ledger) = (deployment_policies(), world.ledger());
    deploy::decide(&ledger, &policies, policy, package, &digits(), now()).unwrap()
}

pub(crate) fn admitted(
    world: &World,
    rules: &AdmissionRules,
    at: i64,
) -> Verdict<Statement<Admission>> {
    let (holds, at) = (admit::Duration { seconds: DAY }, Time::from_unix(at));
    let ledger = chain::Ledger::open(world.dossier(), &world.root, at).unwrap();
    admit::decide(&ledger, rules, &digits(), &world.root, holds, at).unwrap()
}

pub(crate) fn prod() -> Place {
    Place {
        environment: "prod".to_owned(),
        service_account: ACCOUNT.to_owned(),
    }
}

pub(crate) fn served(world: &World, place: &Place, at: i64) -> Verdict<Logged<Admission>> {
    let at = Time::from_unix(at);
    let ledger = chain::Ledger::open(world.dossier(), &world.root, at).unwrap();
    serve::decide(&ledger, &digits(), place, at).unwrap()
}

/// The data set and what was built from it.
pub(crate) fn with_build(provenance: &Statement<Provenance>) -> World {
    let mut world = World::new();
    world.add("digits", &data("a"));
    world.keep(&digits());
    world.say(provenance);
    world
}

pub(crate) fn provenance() -> Statement<Provenance> {
    built(&digits(), &whole(&data("a")))
}

/// All that the gate before the server asks for, said by this key.
pub(crate) fn ready_by(seed: u8) -> World {
    let mut world = with_build(&provenance());
    world.say_by(seed, &signed(&digits()));
    world.say_by(seed, &scanned(&digits(), ScanVerdict::Clean));
    let publication = allowed(published(&world, Some("prod")));
    world.say_by(seed, &publication);
    let deployment = allowed(deployed(&world, "prod.json", PACKAGE));
    world.say_by(seed, &deployment);
    world
}

pub(crate) fn ready() -> World {
    ready_by(KEY)
}

/// A model that was admitted at `NOW`.
pub(crate) fn ready_to_serve() -> World {
    let mut world = ready();
    let admission = allowed(admitted(&world, &rules(), NOW));
    world.say(&admission);
    world
}
