//! A statement of every kind, as its bytes before they are sealed.

use std::collections::BTreeMap;

use digest::{Digest, Listing, measure_bytes};
use trust::predicate::{
    Admission, Approval, ApprovalRequest, BuildDefinition, BuilderRef, CycloneDx, Dataset,
    Deployment, Exception, Form, GOOGLE_SERVICE_ACCOUNT, ModelSignature, PackageDescriptor,
    Provenance, Publish, Recall, RecallKind, ResourceDescriptor, RunDetails, RunMetadata,
    SOURCE_PARAMETER, ScanReport, ScanVerdict, ScannedFile, Serving, Spdx,
};
use trust::{Artifact, Kind, Predicate, Statement, Subject, Time};

/// The builder that the provenance here is by.
pub const BUILDER: &str = "https://example.com/builder";

/// A model of two files.
///
/// # Panics
/// Never: its names are fit.
#[must_use]
pub fn artifact() -> Artifact {
    let files = [("config.json", "{}"), ("weights/w.bin", "1")];
    let listing: Listing = files
        .map(|(name, text)| (name.to_owned(), measure_bytes(text.as_bytes())))
        .into();
    Artifact::from_listing(Kind::Model, &listing).expect("its names are fit")
}

/// The payloads of one statement of each kind, and one as other tools lay it out.
#[must_use]
pub fn payloads() -> Vec<Vec<u8>> {
    let artifact = artifact();
    let (folder, ignored) = (Form::Folder, vec![".git".to_owned()]);
    vec![
        ModelSignature::statement("model", &artifact, folder, ignored).to_bytes(),
        about_model(dataset()).to_bytes(),
        about_model(provenance()).to_bytes(),
        about_model(scan_report(&artifact)).to_bytes(),
        about_model(publish()).to_bytes(),
        about_model(deployment()).to_bytes(),
        about_model(admission()).to_bytes(),
        about_model(serving()).to_bytes(),
        about_model(recall()).to_bytes(),
        about_model(approval_request()).to_bytes(),
        about_model(approval()).to_bytes(),
        about_model(exception()).to_bytes(),
        about_model(cyclonedx()).to_bytes(),
        about_model(spdx()).to_bytes(),
        laid_out_by_others(&artifact),
    ]
}

/// A statement about [`artifact`].
#[must_use]
pub fn about_model<P: Predicate>(predicate: P) -> Statement<P> {
    let subject = Subject {
        name: "model".to_owned(),
        digest: artifact().digest(),
    };
    Statement {
        subjects: vec![subject],
        predicate,
    }
}

fn now() -> Time {
    Time::from_unix(0)
}

fn dataset() -> Dataset {
    Dataset {
        name: "digits".to_owned(),
        source: "npm:digits@1.0.0".to_owned(),
        licence: "MIT".to_owned(),
        purposes: vec!["training".to_owned()],
        policy: Digest::of(b"policy").to_string(),
        added_at: now(),
    }
}

/// A build by [`BUILDER`], by one user alone.
#[must_use]
pub fn provenance() -> Provenance {
    let data = ResourceDescriptor::new("data", "file:data", Digest::of(b"data"));
    let parameters = [
        (SOURCE_PARAMETER, "git+https://example.com/source".into()),
        ("epochs", 1.into()),
    ];
    Provenance {
        build_definition: BuildDefinition {
            build_type: "https://example.com/train/v1".to_owned(),
            external_parameters: parameters
                .map(|(key, value)| (key.to_owned(), value))
                .into(),
            internal_parameters: BTreeMap::from([("isolation".to_owned(), "same-user".into())]),
            resolved_dependencies: vec![data],
        },
        run_details: RunDetails {
            builder: BuilderRef {
                id: BUILDER.to_owned(),
                version: BTreeMap::from([("modelward".to_owned(), "1".to_owned())]),
            },
            metadata: RunMetadata {
                invocation_id: Some("1".to_owned()),
                started_on: Some(now()),
                finished_on: None,
            },
            byproducts: vec![ResourceDescriptor::new("log", "", Digest::of(b"log"))],
        },
    }
}

fn scan_report(artifact: &Artifact) -> ScanReport {
    let files = artifact.files().iter().map(|(name, file)| ScannedFile {
        name: name.to_owned(),
        digest: file.digest,
        format: "json".to_owned(),
        verdict: ScanVerdict::Inconclusive,
        findings: BTreeMap::from([("rule".to_owned(), 2)]),
        not_read: vec!["why".to_owned()],
    });
    ScanReport {
        scanner: "modelward/1".to_owned(),
        rules: Digest::of(b"rules"),
        verdict: ScanVerdict::Inconclusive,
        files: files.collect(),
        scanned_at: now(),
    }
}

/// A publication for staging, at level 1.
#[must_use]
pub fn publish() -> Publish {
    let package = PackageDescriptor {
        name: "owner/model".to_owned(),
        registry: "docker.io".to_owned(),
        environment: Some("staging".to_owned()),
    };
    Publish::new(now(), package, 1)
}

fn deployment() -> Deployment {
    let scope = (
        GOOGLE_SERVICE_ACCOUNT.to_owned(),
        "sa@example.com".to_owned(),
    );
    Deployment {
        creation_time: now(),
        environments: vec!["prod".to_owned()],
        scopes: BTreeMap::from([scope]),
    }
}

fn admission() -> Admission {
    Admission {
        admitted_at: now(),
        expires: now().plus_seconds(60),
        environment: "prod".to_owned(),
        service_account: "sa@example.com".to_owned(),
        trust_root: Digest::of(b"root").to_string(),
        evidence: vec![format!("signature={}", Digest::of(b"bundle"))],
    }
}

fn serving() -> Serving {
    Serving {
        session: "s".to_owned(),
        admission: Digest::of(b"admission"),
        started_at: now(),
    }
}

fn recall() -> Recall {
    Recall {
        kind: RecallKind::Dataset,
        target: Digest::of(b"data").to_string(),
        reason: "poisoned".to_owned(),
        recalled_at: now(),
    }
}

fn approval_request() -> ApprovalRequest {
    ApprovalRequest {
        title: "second release".to_owned(),
        body: "better on sevens".to_owned(),
        assignees: vec!["bob".to_owned()],
        requested_at: now(),
    }
}

fn approval() -> Approval {
    Approval {
        request: Digest::of(b"request"),
        comment: String::new(),
        approved_at: now(),
    }
}

fn exception() -> Exception {
    let scope = (
        GOOGLE_SERVICE_ACCOUNT.to_owned(),
        "sa@example.com".to_owned(),
    );
    Exception {
        policy: Digest::of(b"policy"),
        requirements: vec!["scan".to_owned()],
        environment: Some("prod".to_owned()),
        scopes: BTreeMap::from([scope]),
        reason: "an incident".to_owned(),
        granted_at: now(),
        expires: now().plus_seconds(60),
    }
}

fn cyclonedx() -> CycloneDx {
    let document = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"timestamp":"1970-01-01T00:00:00Z",
        "component":{"licenses":[{"license":{"id":"MIT"}},{"expression":"MIT OR Apache-2.0"}]}},"components":[]}"#;
    read(document)
}

fn spdx() -> Spdx {
    let document = r#"{"spdxVersion":"SPDX-2.3","creationInfo":{"created":"1970-01-01T00:00:00Z"},"documentDescribes":["m"],
        "packages":[{"SPDXID":"m","licenseDeclared":"MIT"}],"relationships":[]}"#;
    read(document)
}

fn read<P: Predicate>(document: &str) -> P {
    let checked = decode::json::checked(document.as_bytes(), decode::json::Limits::SMALL);
    P::read(checked.expect("it is JSON")).expect("it is such a document")
}

/// As the reference implementation of OpenSSF model signing prints it: indented, fields in no fixed order.
fn laid_out_by_others(artifact: &Artifact) -> Vec<u8> {
    let resources: Vec<String> = artifact
        .files()
        .iter()
        .map(|(name, file)| {
            let digest = file.digest.hex();
            format!("      {{\n        \"digest\": \"{digest}\",\n        \"name\": \"{name}\",\n        \"algorithm\": \"sha256\"\n      }}")
        })
        .collect();
    format!(
        "{{\n  \"_type\": \"https://in-toto.io/Statement/v1\",\n  \"subject\": [\n    {{\n      \"name\": \"model\",\n      \"digest\": {{\n        \"sha256\": \"{}\"\n      }}\n    }}\n  ],\n  \"predicateType\": \"https://model_signing/signature/v1.0\",\n  \"predicate\": {{\n    \"resources\": [\n{}\n    ],\n    \"serialization\": {{\n      \"hash_type\": \"sha256\",\n      \"ignore_paths\": [\n        \".git\"\n      ],\n      \"allow_symlinks\": false,\n      \"method\": \"files\"\n    }}\n  }}\n}}",
        artifact.signing_root().hex(),
        resources.join(",\n")
    )
    .into_bytes()
}
