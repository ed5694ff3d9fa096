//! The gate before the server.

use std::collections::BTreeMap;

use digest::Digest;
use policy::admission::{AdmissionRules, Admitted, Evidence};
use policy::slsa::PackageName;
use trust::predicate::{
    Deployment, Form, GOOGLE_SERVICE_ACCOUNT, ModelSignature, Provenance, Publish, ScanReport,
    ScanVerdict, ScannedFile,
};
use trust::{Artifact, Kind, Statement, Subject, Time, Verdict, Verified};

use crate::kit::{
    BUILDER, NOW, PACKAGE, PUBLISHER, SOURCE, allowed, built, codes, denied, listing, now,
    publication, published, published_as, statement, verified,
};

const ACCOUNT: &str = "digits@prod.iam.example";
const DAY_SECONDS: i64 = 86_400;

/// A model, and all that was said of it.
struct Said {
    signatures: Vec<Verified<Statement<ModelSignature>>>,
    provenance: Vec<Verified<Statement<Provenance>>>,
    scans: Vec<Verified<Statement<ScanReport>>>,
    publications: Vec<Verified<Statement<Publish>>>,
    deployments: Vec<Verified<Statement<Deployment>>>,
}

fn files() -> Vec<(&'static str, &'static str)> {
    vec![
        ("architecture.json", "layers"),
        ("model.safetensors", "weights"),
    ]
}

fn model(files: &[(&str, &str)]) -> Artifact {
    Artifact::from_listing(Kind::Model, &listing(files)).unwrap()
}

fn rules() -> AdmissionRules {
    AdmissionRules {
        package: PackageName::parse(PACKAGE).unwrap(),
        environment: "prod".into(),
        service_account: ACCOUNT.into(),
        max_age_seconds: DAY_SECONDS,
        formats: Some(["safetensors".to_owned(), "json".to_owned()].into()),
    }
}

fn signed(model: &Artifact, form: Form) -> Verified<Statement<ModelSignature>> {
    verified(
        &ModelSignature::statement("digits", model, form, vec![]),
        &[],
    )
}

fn report(model: &Artifact, age_seconds: i64) -> ScanReport {
    let file = |(path, file): (&str, &trust::artifact::FileEntry)| ScannedFile {
        name: path.to_owned(),
        digest: file.digest,
        format: if path.ends_with("json") {
            "json"
        } else {
            "safetensors"
        }
        .into(),
        verdict: ScanVerdict::Clean,
        findings: BTreeMap::new(),
        not_read: vec![],
    };
    ScanReport {
        scanner: "modelward-scan/1".into(),
        rules: Digest::of(b"rules"),
        verdict: ScanVerdict::Clean,
        files: model.files().iter().map(file).collect(),
        scanned_at: Time::from_unix(NOW - age_seconds),
    }
}

/// As if it listed other files.
fn change(report: &mut ScanReport, change: impl FnOnce(&mut Vec<ScannedFile>)) {
    let mut files = report.files.iter().collect();
    change(&mut files);
    report.files = files.into_iter().collect();
}

fn scanned(model: &Artifact, report: ScanReport) -> Verified<Statement<ScanReport>> {
    verified(&statement(model.digest(), report), &[])
}

/// A scan that says this of the weights.
fn scanned_as(
    model: &Artifact,
    age_seconds: i64,
    verdict: ScanVerdict,
) -> Verified<Statement<ScanReport>> {
    let mut report = report(model, age_seconds);
    report.verdict = verdict;
    change(&mut report, |files| files[1].verdict = verdict);
    scanned(model, report)
}

fn deployed(
    model: &Artifact,
    scopes: &[(&str, &str)],
    age_seconds: i64,
) -> Verified<Statement<Deployment>> {
    let scopes = scopes
        .iter()
        .map(|(scope, value)| ((*scope).to_owned(), (*value).to_owned()));
    let deployment = Deployment {
        creation_time: Time::from_unix(NOW - age_seconds),
        environments: vec!["prod".to_owned()],
        scopes: scopes.collect(),
    };
    deployed_as(PACKAGE, model, deployment)
}

fn deployed_as(
    package: &str,
    model: &Artifact,
    deployment: Deployment,
) -> Verified<Statement<Deployment>> {
    let mut stated = statement(model.digest(), deployment);
    stated.subjects[0].name = package.to_owned();
    verified(&stated, &[])
}

impl Said {
    fn all_of(model: &Artifact) -> Self {
        Self {
            signatures: vec![signed(model, Form::Folder)],
            provenance: vec![built(model.digest(), BUILDER, SOURCE, None)],
            scans: vec![scanned(model, report(model, 50))],
            publications: vec![published(model.digest(), Some("prod"), 3, PUBLISHER)],
            deployments: vec![deployed(model, &[(GOOGLE_SERVICE_ACCOUNT, ACCOUNT)], 40)],
        }
    }

    fn verdict(&self, rules: &AdmissionRules, model: &Artifact) -> Verdict<Admitted> {
        let evidence = Evidence {
            signatures: &self.signatures.iter().collect::<Vec<_>>(),
            provenance: &self.provenance.iter().collect::<Vec<_>>(),
            scans: &self.scans.iter().collect::<Vec<_>>(),
            publications: &self.publications.iter().collect::<Vec<_>>(),
            deployments: &self.deployments.iter().collect::<Vec<_>>(),
        };
        rules.evaluate(model, &evidence, now())
    }
}

/// The codes when one thing about an admitted model is changed.
fn codes_when(change: impl FnOnce(&Artifact, &mut Said)) -> Vec<&'static str> {
    let model = model(&files());
    let mut said = Said::all_of(&model);
    change(&model, &mut said);
    codes(&said.verdict(&rules(), &model))
}

#[test]
fn a_model_with_all_five_is_admitted_on_their_evidence() {
    let model = model(&files());
    let said = Said::all_of(&model);
    let admitted = allowed(said.verdict(&rules(), &model));
    let lines = admitted.to_lines();
    let words: Vec<_> = lines
        .iter()
        .map(|line| line.split('=').next().unwrap())
        .collect();
    assert_eq!(
        words,
        [
            "signature",
            "provenance",
            "scan",
            "publication",
            "deployment"
        ]
    );
    assert!(lines[2].ends_with(&said.scans[0].proof().bundle.to_string()));
}

#[test]
fn nothing_said_is_five_reasons_each_with_a_way() {
    let denied = denied(rules().evaluate(&model(&files()), &Evidence::default(), now()));
    let codes: Vec<_> = denied
        .reasons()
        .map(|reason| reason.code.as_str())
        .collect();
    let all = [
        "signature_missing",
        "provenance_missing",
        "scan_missing",
        "publish_missing",
        "deployment_missing",
    ];
    assert_eq!(codes, all);
    assert!(denied.reasons().all(|reason| !reason.way.is_empty()));
}

#[test]
fn each_kind_that_is_missing_is_missed() {
    assert_eq!(
        codes_when(|_, said| said.signatures.clear()),
        ["signature_missing"]
    );
    assert_eq!(
        codes_when(|_, said| said.provenance.clear()),
        ["provenance_missing"]
    );
    assert_eq!(codes_when(|_, said| said.scans.clear()), ["scan_missing"]);
    assert_eq!(
        codes_when(|_, said| said.publications.clear()),
        ["publish_missing"]
    );
    assert_eq!(
        codes_when(|_, said| said.deployments.clear()),
        ["deployment_missing"]
    );
}

#[test]
fn what_is_served_is_what_was_signed() {
    for (files, want) in [
        (
            vec![
                ("architecture.json", "layers"),
                ("model.safetensors", "weightz"),
            ],
            vec!["digest_mismatch"],
        ),
        (
            vec![
                ("architecture.json", "layers"),
                ("model.safetensors", "weights"),
                ("x.py", ""),
            ],
            vec!["file_extra"],
        ),
        (vec![("model.safetensors", "weights")], vec!["file_missing"]),
        (
            vec![("architecture.json", "layers"), ("model.bin", "weights")],
            vec!["file_extra", "file_missing"],
        ),
        (vec![("other", "model")], vec!["signature_missing"]),
    ] {
        let signed_model = model(&self::files());
        let served = model(&files);
        let mut said = Said::all_of(&served);
        said.signatures = vec![signed(&signed_model, Form::Folder)];
        assert_eq!(codes(&said.verdict(&rules(), &served)), want, "{files:?}");
    }
}

#[test]
fn a_single_file_is_signed_without_its_name() {
    let model = model(&[("weights.safetensors", "weights")]);
    let mut said = Said::all_of(&model);
    said.signatures = vec![signed(&model, Form::SingleFile)];
    allowed(said.verdict(&rules(), &model));
    let other = self::model(&[("weights.safetensors", "other")]);
    let mut said = Said::all_of(&other);
    said.signatures = vec![signed(&model, Form::SingleFile)];
    assert_eq!(codes(&said.verdict(&rules(), &other)).len(), 1);
}

#[test]
fn provenance_is_of_the_model_or_of_every_file() {
    let of = |digests: Vec<Digest>| {
        codes_when(move |_, said| {
            let mut stated = said.provenance[0].value().clone();
            let subject = |digest| Subject {
                name: String::new(),
                digest,
            };
            stated.subjects = digests.into_iter().map(subject).collect();
            said.provenance = vec![verified(&stated, &[BUILDER])];
        })
    };
    let digests: Vec<_> = model(&files())
        .files()
        .values()
        .map(|file| file.digest)
        .collect();
    assert!(of(digests.clone()).is_empty());
    assert_eq!(of(digests[..1].to_vec()), ["provenance_missing"]);
    assert_eq!(of(vec![Digest::of(b"other")]), ["provenance_missing"]);
}

#[test]
fn the_newest_scan_counts_and_harm_stays() {
    use ScanVerdict::{Clean, Inconclusive, Malicious, Suspicious};
    let when = |scans: &[(i64, ScanVerdict)]| {
        codes_when(|model, said| {
            said.scans = scans
                .iter()
                .map(|(age, verdict)| scanned_as(model, *age, *verdict))
                .collect();
        })
    };
    assert!(when(&[(50, Clean)]).is_empty());
    assert_eq!(when(&[(50, Suspicious)]), ["scan_suspicious"]);
    assert_eq!(when(&[(50, Inconclusive)]), ["scan_inconclusive"]);
    assert_eq!(when(&[(50, Malicious)]), ["scan_malicious"]);
    assert!(when(&[(90, Suspicious), (50, Clean)]).is_empty());
    assert_eq!(when(&[(50, Suspicious), (90, Clean)]), ["scan_suspicious"]);
    assert_eq!(when(&[(50, Clean), (50, Suspicious)]), ["scan_suspicious"]);
    assert_eq!(when(&[(50, Suspicious), (50, Clean)]), ["scan_suspicious"]);
    assert_eq!(when(&[(90, Malicious), (50, Clean)]), ["scan_malicious"]);
    assert_eq!(
        when(&[(90, Malicious), (50, Inconclusive)]),
        ["scan_malicious", "scan_inconclusive"]
    );
    assert_eq!(when(&[(2 * DAY_SECONDS, Clean)]), ["scan_missing"]);
    assert_eq!(when(&[(-3600, Clean)]), ["scan_missing"]);
    assert_eq!(
        when(&[(-3600, Clean), (50, Suspicious)]),
        ["scan_suspicious"]
    );
}

#[test]
fn a_scan_names_every_file_read_to_its_end_in_an_allowed_format() {
    let when = |alter: fn(&mut ScanReport)| {
        codes_when(|model, said| {
            let mut report = report(model, 50);
            alter(&mut report);
            said.scans = vec![scanned(model, report)];
        })
    };
    assert!(when(|_| ()).is_empty());
    assert_eq!(
        when(|report| change(report, |files| files.truncate(1))),
        ["scan_missing"]
    );
    assert_eq!(
        when(|report| change(report, |files| files[1].digest = Digest::of(b"x"))),
        ["scan_missing"]
    );
    assert_eq!(
        when(|report| change(report, |files| files[1].name = "x".into())),
        ["scan_missing"]
    );
    assert_eq!(
        when(|report| change(report, |files| files[1].not_read.push("the tail".into()))),
        ["scan_inconclusive"]
    );
    assert_eq!(
        when(|report| change(report, |files| files[1].format = "pickle".into())),
        ["scan_suspicious"]
    );
    assert_eq!(
        when(|report| report.verdict = ScanVerdict::Suspicious),
        ["scan_suspicious"]
    );
    // A second word on the same bytes under another name.
    assert_eq!(
        when(|report| {
            let mut again = report.files.get(1).unwrap();
            again.name = "again".into();
            again.verdict = ScanVerdict::Malicious;
            report.files.push(again);
        }),
        ["scan_malicious"]
    );
}

#[test]
fn staging_is_not_prod_and_one_publication_that_fits_is_enough() {
    let when = |change: fn(&Artifact) -> Vec<Verified<Statement<Publish>>>| {
        codes_when(|model, said| said.publications = change(model))
    };
    let staging = |model: &Artifact| published(model.digest(), Some("staging"), 3, PUBLISHER);
    assert_eq!(
        when(|model| vec![published(model.digest(), Some("staging"), 3, PUBLISHER)]),
        ["environment_mismatch"]
    );
    assert_eq!(
        when(|model| vec![published(model.digest(), None, 3, PUBLISHER)]),
        ["environment_mismatch"]
    );
    assert_eq!(
        when(|_| vec![published(Digest::of(b"x"), Some("prod"), 3, PUBLISHER)]),
        ["publish_missing"]
    );
    assert_eq!(
        when(|model| vec![published_as(
            "registry.example/x",
            model.digest(),
            Some("prod"),
            3,
            PUBLISHER
        )]),
        ["publish_missing"]
    );
    assert_eq!(
        when(|model| {
            let mut old = publication(PACKAGE, Some("prod"), 3);
            old.creation_time = Time::from_unix(NOW - 2 * DAY_SECONDS);
            vec![verified(&statement(model.digest(), old), &[PUBLISHER])]
        }),
        ["publish_missing"]
    );
    let both = codes_when(|model, said| said.publications.insert(0, staging(model)));
    assert!(both.is_empty());
}

/// The examples of the deployment predicate's specification that a gate with one authoritative scope type can show.
#[test]
fn scopes_are_matched_as_the_predicate_says() {
    let known = GOOGLE_SERVICE_ACCOUNT;
    for (example, scopes, want) in [
        (
            "1: the one scope, with this environment's value",
            vec![(known, ACCOUNT)],
            vec![],
        ),
        (
            "1, of another account",
            vec![(known, "other@prod.iam.example")],
            vec!["scope_mismatch"],
        ),
        (
            "1, in other letters",
            vec![(known, "Digits@prod.iam.example")],
            vec!["scope_mismatch"],
        ),
        (
            "2: a scope that the root is no authority for",
            vec![("kubernetes.io/pod/namespace/v1", "prod")],
            vec!["scope_mismatch"],
        ),
        (
            "3: both required, and one is unknown here",
            vec![(known, ACCOUNT), ("kubernetes.io/pod/cluster_id/v1", "c")],
            vec!["scope_mismatch"],
        ),
        (
            "7: an unknown scope",
            vec![(known, ACCOUNT), ("https://example.com/scope/v1", "x")],
            vec!["scope_mismatch"],
        ),
        (
            "7, of another version",
            vec![("cloud.google.com/service_account/v2", ACCOUNT)],
            vec!["scope_mismatch"],
        ),
        (
            "8: no scopes, and one is required here",
            vec![],
            vec!["scope_mismatch"],
        ),
        ("an empty scope", vec![(known, "")], vec!["scope_mismatch"]),
    ] {
        let codes = codes_when(|model, said| said.deployments = vec![deployed(model, &scopes, 40)]);
        assert_eq!(codes, want, "{example}");
    }
    // 5: of several statements one that holds is enough for the one root.
    let codes = codes_when(|model, said| {
        said.deployments
            .insert(0, deployed(model, &[(known, "x@y")], 40))
    });
    assert!(codes.is_empty());
    let old = codes_when(|model, said| {
        said.deployments = vec![deployed(model, &[(known, ACCOUNT)], 2 * DAY_SECONDS)];
    });
    assert_eq!(old, ["deployment_missing"]);
}

#[test]
fn all_reasons_come_at_once() {
    let codes = codes_when(|model, said| {
        said.signatures.clear();
        said.scans = vec![scanned_as(model, 50, ScanVerdict::Malicious)];
        said.publications = vec![published(model.digest(), Some("staging"), 3, PUBLISHER)];
        said.deployments = vec![deployed(model, &[(GOOGLE_SERVICE_ACCOUNT, "x@y")], 40)];
    });
    assert_eq!(
        codes,
        [
            "signature_missing",
            "scan_malicious",
            "environment_mismatch",
            "scope_mismatch"
        ]
    );
}

#[test]
fn a_deployment_is_for_the_environments_of_its_policy() {
    let model = model(&files());
    let verdict = |environments: &[&str]| {
        let mut said = Said::all_of(&model);
        let deployment = Deployment {
            creation_time: Time::from_unix(NOW),
            environments: environments.iter().map(ToString::to_string).collect(),
            scopes: [(GOOGLE_SERVICE_ACCOUNT.to_owned(), ACCOUNT.to_owned())].into(),
        };
        said.deployments = vec![deployed_as(PACKAGE, &model, deployment)];
        said.verdict(&rules(), &model)
    };
    allowed(verdict(&["staging", "prod"]));
    assert_eq!(codes(&verdict(&["staging"])), ["environment_mismatch"]);
    assert_eq!(codes(&verdict(&[])), ["environment_mismatch"]);
}

/// Both packages may have the same files, and only one of them a policy that lets it run.
#[test]
fn a_deployment_is_for_the_package_that_it_names() {
    let model = model(&files());
    let other = format!("{PACKAGE}-other");
    let said_as = |names: &[(&str, Digest)]| {
        let mut said = Said::all_of(&model);
        let mut stated = said.deployments[0].value().clone();
        let subject = |(name, digest): &(&str, Digest)| Subject {
            name: (*name).to_owned(),
            digest: *digest,
        };
        stated.subjects = names.iter().map(subject).collect();
        said.deployments = vec![verified(&stated, &[])];
        said.verdict(&rules(), &model)
    };
    let digest = model.digest();
    allowed(said_as(&[(PACKAGE, digest)]));
    allowed(said_as(&[(&other, digest), (PACKAGE, digest)]));
    for (names, part) in [
        (vec![(other.as_str(), digest)], other.as_str()),
        (vec![("", digest)], "names no package"),
        // The name of something else.
        (
            vec![("", digest), (PACKAGE, Digest::of(b"other"))],
            "names no package",
        ),
    ] {
        let denied = denied(said_as(&names));
        let reasons: Vec<_> = denied.reasons().collect();
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        assert_eq!(reasons[0].code.as_str(), "deployment_missing");
        assert!(reasons[0].message.contains(part), "{reasons:?}");
    }
    // Published as the other as well, it is still not deployed as it.
    let mut said = Said::all_of(&model);
    let publication = published_as(&other, digest, Some("prod"), 3, PUBLISHER);
    said.publications.push(publication);
    let as_other = AdmissionRules {
        package: PackageName::parse(&other).unwrap(),
        ..rules()
    };
    assert_eq!(
        codes(&said.verdict(&as_other, &model)),
        ["deployment_missing"]
    );
}

/// Looking each file up by walking the report takes a debug build longer than anybody waits.
#[test]
fn a_model_of_many_files_is_decided() {
    let names: Vec<String> = (0..50_000).map(|number| format!("{number}.json")).collect();
    let files: Vec<(&str, &str)> = names
        .iter()
        .map(|name| (name.as_str(), name.as_str()))
        .collect();
    let model = model(&files);
    let mut said = Said::all_of(&model);
    let mut backwards = report(&model, 50);
    change(&mut backwards, |files| files.reverse());
    said.scans = vec![scanned(&model, backwards.clone())];
    assert_eq!(codes(&said.verdict(&rules(), &model)), Vec::<&str>::new());
    change(&mut backwards, |files| drop(files.pop()));
    said.scans = vec![scanned(&model, backwards)];
    assert_eq!(codes(&said.verdict(&rules(), &model)), ["scan_missing"]);
}
