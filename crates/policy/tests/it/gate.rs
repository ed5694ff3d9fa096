//! Policies of format 2: each requirement with what satisfies it and twins that do not.

use std::collections::BTreeMap;

use digest::Digest;
use policy::gate::{Evidence, Mode, Outcome, Place, Policy};
use trust::predicate::{
    Approval, ApprovalRequest, CLAIM, CycloneDx, DATASET, Dataset, Exception, Form, ModelSignature,
    Provenance, ResourceDescriptor, ScanReport, ScanVerdict, ScannedFile, Spdx,
};
use trust::{Artifact, Kind, Predicate, Statement, Time, Verdict, Verified};

use crate::kit::{
    BUILDER, NOW, SOURCE, WORKSTATION, codes, listing, now, provenance, said_by, statement,
};

const DAY: i64 = 86_400;

/// All that was said.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) signatures: Vec<Verified<Statement<ModelSignature>>>,
    pub(crate) provenance: Vec<Verified<Statement<Provenance>>>,
    pub(crate) scans: Vec<Verified<Statement<ScanReport>>>,
    pub(crate) datasets: Vec<Verified<Statement<Dataset>>>,
    pub(crate) cyclonedx: Vec<Verified<Statement<CycloneDx>>>,
    pub(crate) spdx: Vec<Verified<Statement<Spdx>>>,
    pub(crate) requests: Vec<Verified<Statement<ApprovalRequest>>>,
    pub(crate) approvals: Vec<Verified<Statement<Approval>>>,
    pub(crate) exceptions: Vec<Verified<Statement<Exception>>>,
}

pub(crate) fn model(weights: &str) -> Artifact {
    let files = [
        ("architecture.json", "layers"),
        ("model.safetensors", weights),
    ];
    Artifact::from_listing(Kind::Model, &listing(&files)).unwrap()
}

fn at(age_seconds: i64) -> Time {
    Time::from_unix(NOW - age_seconds)
}

pub(crate) fn signed(by: &str, model: &Artifact) -> Verified<Statement<ModelSignature>> {
    said_by(
        by,
        &ModelSignature::statement("digits", model, Form::Folder, vec![]),
    )
}

/// A build that read one data set and claims one result.
pub(crate) fn built(
    by: &str,
    builder: &str,
    source: &str,
    model: &Artifact,
    accuracy: &str,
) -> Verified<Statement<Provenance>> {
    let mut said = provenance(builder, source, None);
    let uri = format!("{DATASET}bands");
    said.build_definition.resolved_dependencies = vec![
        ResourceDescriptor::new("bands", &uri, data()),
        ResourceDescriptor::new("bands/a", &format!("{uri}#a"), Digest::of(b"a file of it")),
    ];
    let mut claim = ResourceDescriptor::new(
        &format!("{CLAIM}accuracy"),
        "",
        Digest::of(accuracy.as_bytes()),
    );
    claim.annotations.insert("value".into(), accuracy.into());
    said.run_details.byproducts = vec![claim];
    said.run_details.metadata.finished_on = Some(at(10 * DAY));
    said_by(by, &statement(model.digest(), said))
}

fn data() -> Digest {
    Digest::of(b"the data set")
}

pub(crate) fn scanned(
    by: &str,
    model: &Artifact,
    age_seconds: i64,
    verdict: ScanVerdict,
) -> Verified<Statement<ScanReport>> {
    let file = |(path, file): (&str, &trust::artifact::FileEntry)| ScannedFile {
        name: path.to_string(),
        digest: file.digest,
        format: path.rsplit('.').next().unwrap().to_owned(),
        verdict,
        findings: BTreeMap::new(),
        not_read: vec![],
    };
    let report = ScanReport {
        scanner: "modelward 0.1.0".into(),
        rules: Digest::of(b"rules"),
        verdict,
        files: model.files().iter().map(file).collect(),
        scanned_at: at(age_seconds),
    };
    said_by(by, &statement(model.digest(), report))
}

pub(crate) fn added(by: &str, purpose: &str, licence: &str) -> Verified<Statement<Dataset>> {
    let dataset = Dataset {
        name: "bands".into(),
        source: "file:bands".into(),
        licence: licence.into(),
        purposes: vec![purpose.into()],
        policy: Digest::of(b"dependencies.toml").to_string(),
        added_at: at(20 * DAY),
    };
    said_by(by, &statement(data(), dataset))
}

fn read<P: Predicate>(document: &serde_json::Value) -> P {
    let bytes = document.to_string();
    P::read(decode::json::checked(bytes.as_bytes(), decode::json::Limits::LARGE).unwrap()).unwrap()
}

pub(crate) fn cyclonedx(
    by: &str,
    model: &Artifact,
    licence: &str,
) -> Verified<Statement<CycloneDx>> {
    let document = serde_json::json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata":
        {"timestamp": at(DAY).to_string(), "component": {"licenses": [{"license": {"id": licence}}]}}});
    said_by(by, &statement(model.digest(), read(&document)))
}

pub(crate) fn spdx(by: &str, model: &Artifact, licence: &str) -> Verified<Statement<Spdx>> {
    let document = serde_json::json!({"spdxVersion": "SPDX-2.3", "documentDescribes": ["m"],
        "packages": [{"SPDXID": "m", "licenseDeclared": licence}]});
    said_by(by, &statement(model.digest(), read(&document)))
}

pub(crate) fn requested(by: &str, model: &Artifact) -> Verified<Statement<ApprovalRequest>> {
    let request = ApprovalRequest {
        title: "digits, second release".into(),
        body: "better on sevens".into(),
        assignees: vec!["bob".into()],
        requested_at: at(2 * DAY),
    };
    said_by(by, &statement(model.digest(), request))
}

pub(crate) fn approved(
    by: &str,
    model: &Artifact,
    request: &Verified<Statement<ApprovalRequest>>,
    age_seconds: i64,
) -> Verified<Statement<Approval>> {
    let approval = Approval {
        request: request.proof().bundle,
        comment: String::new(),
        approved_at: at(age_seconds),
    };
    said_by(by, &statement(model.digest(), approval))
}

/// A model of which all that can be asked for was said.
pub(crate) fn all_of(model: &Artifact) -> Said {
    let request = requested("alice", model);
    let approvals = vec![
        approved("bob", model, &request, DAY),
        approved("carol", model, &request, DAY),
    ];
    Said {
        signatures: vec![signed("alice", model), signed("bob", model)],
        provenance: vec![built(
            "builder",
            BUILDER,
            "git+https://git.example/team/digits@refs/tags/v1",
            model,
            "0.97\n",
        )],
        scans: vec![scanned("scanner", model, DAY, ScanVerdict::Clean)],
        datasets: vec![added("curator", "train", "MIT")],
        cyclonedx: vec![cyclonedx("scanner", model, "MIT")],
        spdx: vec![],
        requests: vec![request],
        approvals,
        exceptions: vec![],
    }
}

impl Said {
    pub(crate) fn evaluate(
        &self,
        policy: &Policy,
        model: &Artifact,
        place: &Place,
    ) -> policy::gate::Decision {
        let (signatures, provenance): (Vec<_>, Vec<_>) = (
            self.signatures.iter().collect(),
            self.provenance.iter().collect(),
        );
        let (scans, datasets): (Vec<_>, Vec<_>) =
            (self.scans.iter().collect(), self.datasets.iter().collect());
        let (cyclonedx, spdx): (Vec<_>, Vec<_>) =
            (self.cyclonedx.iter().collect(), self.spdx.iter().collect());
        let (requests, approvals): (Vec<_>, Vec<_>) = (
            self.requests.iter().collect(),
            self.approvals.iter().collect(),
        );
        let exceptions: Vec<_> = self.exceptions.iter().collect();
        let evidence = Evidence {
            signatures: &signatures,
            provenance: &provenance,
            scans: &scans,
            datasets: &datasets,
            cyclonedx: &cyclonedx,
            spdx: &spdx,
            requests: &requests,
            approvals: &approvals,
            exceptions: &exceptions,
        };
        policy.evaluate(model, &evidence, place, now())
    }
}

pub(crate) fn policy(rules: &str) -> Policy {
    let text = format!("format = 2\nname = \"test\"\n{rules}");
    Policy::parse("policy.toml", text.as_bytes())
        .unwrap_or_else(|e| panic!("{e}: {}\n{text}", e.way()))
}

pub(crate) fn prod() -> Place {
    let scopes = [("kubernetes.io/pod/namespace/v1", "models")];
    Place {
        environment: Some("prod".into()),
        scopes: scopes
            .map(|(scope, value)| (scope.to_owned(), value.to_owned()))
            .into(),
    }
}

/// What a policy with these rules says of a model of which all was said, but for a change.
fn decided(rules: &str, change: impl FnOnce(&mut Said, &Artifact)) -> Vec<&'static str> {
    let model = model("weights");
    let mut said = all_of(&model);
    change(&mut said, &model);
    let decision = said.evaluate(&policy(rules), &model, &prod());
    assert_eq!(decision.is_met(), codes(&decision.verdict()).is_empty());
    codes(&decision.verdict())
}

#[test]
fn each_requirement_is_satisfied_and_its_twin_is_not() {
    let builder = format!("[[build.builder]]\nid = \"{BUILDER}\"\nlevel = 3\n");
    let rules = Digest::of(b"rules");
    let dependencies = Digest::of(b"dependencies.toml");
    for (good, bad, code) in [
        (
            "[signature]",
            "[signature]\nthreshold = 3",
            "signature_missing",
        ),
        (
            "[signature]\nby = [\"alice\", \"bob\"]\nthreshold = 2",
            "[signature]\nby = [\"carol\"]",
            "signature_missing",
        ),
        (
            "[signature]\nthreshold = 2",
            "[signature]\nmax_age_days = 9",
            "statement_time",
        ),
        (
            &format!("[build]\nlevel = 3\n{builder}"),
            "[[build.builder]]\nid = \"https://other.example\"\nlevel = 3",
            "builder_mismatch",
        ),
        (
            "[build]\nsources = [\"git.example/team/digits\"]",
            "[build]\nsources = [\"git.example/team/other\"]",
            "source_mismatch",
        ),
        (
            "[build]\nrefs = [\"refs/heads/main\", \"refs/tags/v*\"]",
            "[build]\nrefs = [\"refs/heads/v1\"]",
            "source_mismatch",
        ),
        (
            "[build]\nmax_age_days = 10",
            "[build]\nmax_age_days = 9",
            "statement_time",
        ),
        (
            "[scan]\nmax_age_days = 1",
            "[scan]\nmax_age_days = 0",
            "statement_time",
        ),
        (
            "[scan]\nscanners = [\"modelward\"]",
            "[scan]\nscanners = [\"other\"]",
            "scan_missing",
        ),
        (
            &format!("[scan]\nrules = [\"{rules}\"]"),
            &format!("[scan]\nrules = [\"{dependencies}\"]"),
            "scan_missing",
        ),
        (
            "[scan]\nby = [\"scanner\"]",
            "[scan]\nby = [\"alice\"]",
            "scan_missing",
        ),
        (
            "[scan]\nformats = [\"safetensors\", \"json\"]",
            "[scan]\nformats = [\"json\"]",
            "format_not_allowed",
        ),
        (
            "[data]\npurposes = [\"train\"]",
            "[data]\npurposes = [\"train\", \"sell\"]",
            "purpose_not_allowed",
        ),
        (
            "[data]\nlicences = [\"MIT\"]",
            "[data]\nlicences = [\"CC0-1.0\"]",
            "licence_not_allowed",
        ),
        (
            &format!("[data]\npolicies = [\"{dependencies}\"]"),
            &format!("[data]\npolicies = [\"{rules}\"]"),
            "data_not_allowed",
        ),
        (
            "[[metric]]\nname = \"accuracy\"\nat_least = 0.97",
            "[[metric]]\nname = \"accuracy\"\nat_least = 0.98",
            "metric_not_met",
        ),
        (
            "[[metric]]\nname = \"accuracy\"\nat_most = 1",
            "[[metric]]\nname = \"accuracy\"\nat_most = 0.5",
            "metric_not_met",
        ),
        (
            "[[metric]]\nname = \"accuracy\"\nat_least = 0",
            "[[metric]]\nname = \"loss\"\nat_most = 9",
            "metric_not_met",
        ),
        (
            "[sbom]\nformats = [\"cyclonedx\"]\nmax_age_days = 1",
            "[sbom]\nformats = [\"spdx\"]",
            "sbom_missing",
        ),
        (
            "[licence]\nallowed = [\"MIT\"]",
            "[licence]\nallowed = [\"Apache-2.0\"]",
            "licence_not_allowed",
        ),
        (
            "[approvals]\nthreshold = 2\nmax_age_days = 1",
            "[approvals]\nthreshold = 3",
            "approval_missing",
        ),
        (
            "[approvals]\nby = [\"bob\"]",
            "[approvals]\nby = [\"alice\"]",
            "approval_missing",
        ),
        (
            "[approvals]",
            "[approvals]\nmax_age_days = 0",
            "approval_missing",
        ),
    ] {
        assert_eq!(decided(good, |_, _| ()), [""; 0], "{good}");
        assert!(
            decided(bad, |_, _| ()).contains(&code),
            "{bad}: {:?}",
            decided(bad, |_, _| ())
        );
    }
}

/// In CEL, over one statement of a kind. What can't be answered is no yes.
#[test]
fn an_expression_holds_for_one_statement() {
    let rules = |over: &str, cel: &str| {
        format!("[[expression]]\nname = \"e\"\nover = \"{over}\"\ncel = '{cel}'\n")
    };
    for (over, cel, want) in [
        ("build", "by == \"builder\"", true),
        ("build", "by == \"laptop\"", false),
        (
            "build",
            "predicate.runDetails.builder.id.startsWith(\"https://builds.example/\") && !(by in [\"mallory\"])",
            true,
        ),
        (
            "build",
            "predicate.buildDefinition.resolvedDependencies.size() == 2",
            true,
        ),
        (
            "build",
            "predicate.buildDefinition.resolvedDependencies[0].name == \"bands\"",
            true,
        ),
        (
            "build",
            "predicate.buildDefinition.resolvedDependencies[7].name == \"bands\"",
            false,
        ),
        (
            "build",
            "has(predicate.nothing) || predicate.runDetails.builder.id.contains(\"hosted\")",
            true,
        ),
        ("build", "predicate.nothing == 1", false),
        (
            "build",
            "double(\"0.97\") > 0.9 ? by.endsWith(\"er\") : false",
            true,
        ),
        ("build", "by", false),
        (
            "scan",
            "predicate.verdict == \"clean\" && size(predicate.files) == 2",
            true,
        ),
        (
            "scan",
            "predicate.verdict == \"clean\" && size(predicate.files) > 2",
            false,
        ),
        ("sbom", "predicate.specVersion == \"1.6\"", true),
        ("sbom", "predicate.spdxVersion == \"SPDX-2.3\"", false),
    ] {
        let codes = decided(&rules(over, cel), |_, _| ());
        assert_eq!(
            codes,
            if want {
                vec![]
            } else {
                vec!["expression_not_met"]
            },
            "{cel}"
        );
    }
    let nothing = |said: &mut Said, _: &Artifact| *said = Said::default();
    assert_eq!(
        decided(&rules("scan", "true"), nothing),
        ["expression_not_met"]
    );
}

/// The interpreter has no fuel: what could cost much is refused before it runs.
#[test]
fn an_expression_is_bounded_before_it_runs() {
    let deep = format!("{}by{} == by", "[".repeat(40), "]".repeat(40));
    let choices = "by == by ? true : ".repeat(50) + "true";
    let wide = vec!["true"; 130].join("||");
    let chain = format!("predicate{} == 1", ".a".repeat(100));
    let long = format!("by == \"{}\"", "x".repeat(1100));
    for bad in [
        "predicate.files.all(f, f.format == \"json\")",
        "[1, 2].map(x, [1, 2].map(y, x))",
        "predicate.files.exists(f, true)",
        "by + by == by",
        "by.matches(\"(a*)*b\")",
        "{\"a\": 1}[\"a\"] == 1",
        "now > 1",
        "by ==",
        "",
        "google.protobuf.Duration{} == by",
        &deep,
        &choices,
        &wide,
        &chain,
        &long,
    ] {
        let text = format!(
            "format = 2\nname = \"x\"\n[[expression]]\nname = \"e\"\nover = \"build\"\ncel = '{bad}'\n"
        );
        assert!(
            Policy::parse("policy.toml", text.as_bytes()).is_err(),
            "{bad}"
        );
    }
}

#[test]
fn what_was_said_of_another_model_says_nothing() {
    let everything = "[signature]\n[build]\n[scan]\n[data]\n[sbom]\n[approvals]\n[licence]\nallowed = [\"MIT\"]\n[[metric]]\nname = \"accuracy\"\nat_least = 0\n";
    assert_eq!(decided(everything, |_, _| ()), [""; 0]);
    let of_other = |said: &mut Said, _: &Artifact| *said = all_of(&model("other weights"));
    let codes = decided(everything, of_other);
    let all = [
        "file_",
        "digest_mismatch",
        "provenance_missing",
        "scan_missing",
        "data_not_allowed",
        "sbom_missing",
        "approval_missing",
        "licence_not_allowed",
        "metric_not_met",
    ];
    for code in all.iter().skip(1) {
        assert!(codes.contains(code), "{code}: {codes:?}");
    }
}

/// What others ask of a build they ask of one that `[build]` lets pass: the claims of a laptop do not help a service's.
#[test]
fn claims_are_those_of_a_build_that_counts() {
    let rules = format!(
        "[[metric]]\nname = \"accuracy\"\nat_least = 0.99\n[[build.builder]]\nid = \"{BUILDER}\"\nlevel = 3\n"
    );
    let laptop = |said: &mut Said, model: &Artifact| {
        said.provenance
            .push(built("laptop", WORKSTATION, SOURCE, model, "1.0"));
    };
    assert_eq!(decided(&rules, laptop), ["metric_not_met"]);
    assert_eq!(
        decided(rules.split("[[build").next().unwrap(), laptop),
        [""; 0]
    );
}

/// Never by the author, who is whoever built it or asked; and two keys of one name are one person.
#[test]
fn an_author_approves_nothing() {
    let only = |by: &'static str| {
        move |said: &mut Said, model: &Artifact| {
            said.approvals = vec![approved(by, model, &said.requests[0], DAY)];
        }
    };
    assert_eq!(decided("[approvals]", only("bob")), [""; 0]);
    assert_eq!(
        decided("[approvals]", only("alice")),
        ["approval_missing", "approval_missing"]
    );
    assert_eq!(
        decided("[approvals]", only("builder")),
        ["approval_missing", "approval_missing"]
    );
    let twice = |said: &mut Said, model: &Artifact| {
        said.approvals = vec![
            approved("bob", model, &said.requests[0], DAY),
            approved("bob", model, &said.requests[0], 2 * DAY),
        ];
    };
    assert_eq!(
        decided("[approvals]\nthreshold = 2", twice),
        ["approval_missing"]
    );
    let unasked = |said: &mut Said, _: &Artifact| said.requests.clear();
    assert!(decided("[approvals]", unasked).contains(&"approval_missing"));
    let unbuilt = |said: &mut Said, _: &Artifact| said.provenance.clear();
    assert_eq!(decided("[approvals]", unbuilt), ["approval_missing"]);
    let future = |said: &mut Said, model: &Artifact| {
        said.approvals = vec![approved("bob", model, &said.requests[0], -DAY)];
    };
    assert_eq!(
        decided("[approvals]", future),
        ["approval_missing", "statement_time"]
    );
}

#[test]
fn a_laptop_reaches_level_one_whatever_the_policy_believes() {
    let rules =
        format!("[build]\nlevel = 2\n[[build.builder]]\nid = \"{WORKSTATION}\"\nlevel = 3\n");
    let laptop = |said: &mut Said, model: &Artifact| {
        said.provenance = vec![built("laptop", WORKSTATION, SOURCE, model, "1")];
    };
    assert_eq!(decided(&rules, laptop), ["level_too_low"]);
    assert_eq!(
        decided(&rules.replace("level = 2", "level = 1"), laptop),
        [""; 0]
    );
}

#[test]
fn a_policy_speaks_where_its_scopes_say_and_as_strictly() {
    let model = model("weights");
    let nothing = Said::default();
    let rules = "mode = \"warn\"\n[signature]\n[[scope]]\nenvironments = [\"prod\"]\nmatch = { \"kubernetes.io/pod/namespace/v1\" = \"models\" }\nmode = \"enforce\"\n[[scope]]\nenvironments = [\"staging\"]\n[[scope]]\nenvironments = [\"test\"]\nmode = \"audit\"\n";
    let policy = policy(rules);
    let place = |environment: Option<&str>| Place {
        environment: environment.map(str::to_owned),
        ..prod()
    };
    let at = |place: &Place| {
        let decision = nothing.evaluate(&policy, &model, place);
        assert!(!decision.is_met());
        (decision.mode, codes(&decision.verdict()))
    };
    assert_eq!(at(&prod()), (Mode::Enforce, vec!["signature_missing"]));
    assert_eq!(at(&place(Some("staging"))), (Mode::Warn, vec![]));
    assert_eq!(at(&place(Some("test"))), (Mode::Audit, vec![]));
    let outside = vec!["environment_mismatch", "signature_missing"];
    assert_eq!(
        at(&place(Some("elsewhere"))),
        (Mode::Enforce, outside.clone())
    );
    assert_eq!(at(&place(None)), (Mode::Enforce, outside));
    let other = Place {
        scopes: BTreeMap::new(),
        ..prod()
    };
    assert_eq!(
        at(&other),
        (Mode::Enforce, vec!["scope_mismatch", "signature_missing"])
    );
    let decision = nothing.evaluate(&policy, &model, &place(Some("staging")));
    let Verdict::Allowed(passed) = decision.verdict() else {
        panic!("{decision:?}")
    };
    assert_eq!(passed.passed_over.len(), 1, "what is let pass is told");
}

#[test]
fn an_exception_holds_for_its_policy_place_and_time_and_no_longer() {
    let model = model("weights");
    let rules = policy("[signature]\n[scan]\n");
    let exception = |change: &dyn Fn(&mut Exception)| {
        let mut exception = Exception {
            policy: rules.digest(),
            requirements: vec!["signature".into()],
            environment: Some("prod".into()),
            scopes: prod().scopes,
            reason: "the key is in the safe".into(),
            granted_at: at(60),
            expires: at(-60),
        };
        change(&mut exception);
        exception
    };
    let of = |exception: Exception, about: &Artifact| {
        let said = Said {
            exceptions: vec![said_by("boss", &statement(about.digest(), exception))],
            ..Said::default()
        };
        said.evaluate(&rules, &model, &prod())
    };
    let decision = of(exception(&|_| ()), &model);
    assert!(
        matches!(&decision.findings[0].outcome, Outcome::Excepted(excepted) if excepted.by.by == "boss" && excepted.reasons.len() == 1 && excepted.until == at(-60))
    );
    assert_eq!(
        codes(&decision.verdict()),
        ["scan_missing"],
        "what it does not name stays"
    );
    let changes: [&dyn Fn(&mut Exception); 7] = [
        &|e| e.policy = Digest::of(b"another"),
        &|e| e.requirements = vec!["scan".into()],
        &|e| e.environment = None,
        &|e| e.scopes.values_mut().for_each(|value| value.push('s')),
        &|e| e.expires = now(),
        &|e| (e.granted_at, e.expires) = (at(-DAY), at(-2 * DAY)),
        &|e| e.expires = e.granted_at.plus_seconds(DAY + 1),
    ];
    for (index, change) in changes.iter().enumerate() {
        let decision = of(exception(*change), &model);
        assert!(
            codes(&decision.verdict()).contains(&"signature_missing") || index == 1,
            "{index}"
        );
        assert_eq!(
            codes(&decision.verdict()).len(),
            if index == 1 { 1 } else { 2 },
            "{index}"
        );
    }
    assert_eq!(
        codes(&of(exception(&|_| ()), &self::model("other")).verdict()).len(),
        2
    );
}

#[test]
fn refuses_what_is_not_a_policy() {
    let good = "format = 2\nname = \"x\"\n[scan]\nmax_age_days = 30\n[approvals]\nby = [\"a\", \"b\"]\nthreshold = 2\n[[scope]]\nmatch = { \"spiffe.io/id/v1\" = \"spiffe://a/b\" }\n[[metric]]\nname = \"a\"\nat_least = 0.5\n";
    Policy::parse("policy.toml", good.as_bytes()).unwrap();
    for (from, to) in [
        ("format = 2", "format = 1"),
        ("format = 2\n", ""),
        ("format = 2", "format = 2\nformat = 2"),
        ("name = \"x\"\n", ""),
        ("[scan]", "[scna]"),
        ("[scan]", "[scan]\n[scan]"),
        ("max_age_days", "max_age"),
        ("= 30", "= -1"),
        ("= 30", "= 1.5"),
        ("= 30", "= \"30\""),
        ("threshold = 2", "threshold = 3"),
        ("threshold = 2", "threshold = 0"),
        ("[\"a\", \"b\"]", "[\"a\", \"a\"]"),
        ("[\"a\", \"b\"]", "[]"),
        ("spiffe.io/id/v1", "spiffe.io/id/v2"),
        ("spiffe://a", "http://a"),
        ("match = {", "match = { \"https://x\" = \"y\","),
        ("[[scope]]", "[[scope]]\nmode = \"Enforce\""),
        ("at_least = 0.5", ""),
        ("at_least = 0.5", "at_least = nan"),
        ("at_least = 0.5", "at_least = inf"),
        ("at_least = 0.5", "at_least = 0.5\nat_most = 0.4"),
        (
            "at_least = 0.5",
            "at_least = 0.5\n[[metric]]\nname = \"a\"\nat_most = 1",
        ),
        ("[scan]", "[build]\nlevel = 1\n[scan]"),
        ("[scan]", "[build]\nrefs = [\"main\"]\n[scan]"),
        ("[scan]", "[build]\nrefs = [\"refs/*/x\"]\n[scan]"),
        ("[scan]", "[build]\nsources = [\"github.com\"]\n[scan]"),
        ("[scan]", "[sbom]\nformats = [\"word\"]\n[scan]"),
        ("[scan]", "[licence]\n[scan]"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        assert!(
            Policy::parse("policy.toml", bad.as_bytes()).is_err(),
            "{from} -> {to}"
        );
    }
    let nothing = "format = 2\nname = \"x\"\nmode = \"audit\"\n";
    assert!(Policy::parse("policy.toml", nothing.as_bytes()).is_err());
    let near =
        Policy::parse("policy.toml", good.replace("[scan]", "[scna]").as_bytes()).unwrap_err();
    assert_eq!(near.way(), "did you mean `scan`?");
}
