//! The gate before the server: is this model, for this service account, in this environment, allowed now?
//!
//! In: a model as its files, and what was said of it, all verified, logged and not recalled.
//! Must hold: a signature over exactly its files, provenance, a clean scan, a publication for the environment, and a
//! deployment for the service account. Out: the evidence. Denies: with all reasons at once.
//!
//! Of each kind every statement is tried, and one that satisfies is enough: so that who can add a statement can't close
//! the gate. The scan is different: there the newest word counts, and one `malicious` stays.

pub(crate) mod scan;

use std::collections::{BTreeMap, BTreeSet};

use digest::{Digest, Method, ResourceDigest};
use trust::predicate::{
    Deployment, Form, GOOGLE_SERVICE_ACCOUNT, ModelSignature, Provenance, Publish, ScanReport,
};
use trust::{Artifact, Code, Denied, Difference, Reason, Statement, Time, Verdict, Verified};

use crate::slsa::PackageName;
use crate::verdict::{first_allowed, found_unless, is_future, settled};

/// What a model must be admitted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionRules {
    /// The package that the model is published as.
    pub package: PackageName,
    /// The environment that it must be published for.
    pub environment: String,
    /// The service account that it must be deployed for.
    pub service_account: String,
    /// How old a scan, a publication and a deployment may be.
    pub max_age_seconds: i64,
    /// The formats that its files may have, by the scan's words; `None` for every one in which a scan finds nothing.
    pub formats: Option<BTreeSet<String>>,
}

/// What was said of a model. The caller knows each of these to stand in the log and not to be recalled.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence<'a> {
    /// Who signed it.
    pub signatures: &'a [&'a Verified<Statement<ModelSignature>>],
    /// How it was made.
    pub provenance: &'a [&'a Verified<Statement<Provenance>>],
    /// What scans found in it.
    pub scans: &'a [&'a Verified<Statement<ScanReport>>],
    /// Where it was published.
    pub publications: &'a [&'a Verified<Statement<Publish>>],
    /// For whom it was deployed.
    pub deployments: &'a [&'a Verified<Statement<Deployment>>],
}

/// A model is let in, on this evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// What each requirement was satisfied by: its word and the bundle of the statement.
    pub evidence: Vec<(&'static str, Digest)>,
}

impl Admitted {
    /// The evidence as an admission statement lists it, each `requirement=sha256:…`.
    #[must_use]
    pub fn to_lines(&self) -> Vec<String> {
        let line = |(requirement, bundle): &(&str, Digest)| format!("{requirement}={bundle}");
        self.evidence.iter().map(line).collect()
    }
}

impl AdmissionRules {
    /// Says whether a model is allowed now.
    #[must_use]
    pub fn evaluate(
        &self,
        subject: &Artifact,
        evidence: &Evidence<'_>,
        now: Time,
    ) -> Verdict<Admitted> {
        let found = [
            // (1) Someone we trust signed these files, all of them and no others. Stops: a changed byte, a smuggled file.
            ("signature", signature(subject, evidence.signatures)),
            // (2) A builder says how it was made. Stops: a model from nowhere.
            ("provenance", provenance(subject, evidence.provenance)),
            // (3) A scan read every file and found nothing. Stops: a model that runs code.
            ("scan", scan::clean(self, subject, evidence.scans, now)),
            // (4) It was published here. Stops: what staging allowed, in prod.
            (
                "publication",
                self.publication(subject, evidence.publications, now),
            ),
            // (5) It was deployed for whom it will run as. Stops: another team's server.
            (
                "deployment",
                self.deployment(subject.digest(), evidence.deployments, now),
            ),
        ];
        let mut reasons = Vec::new();
        let mut satisfied = Vec::new();
        for (requirement, result) in found {
            match result {
                Ok(bundle) => satisfied.push((requirement, bundle)),
                Err(denied) => reasons.extend(denied.reasons().cloned()),
            }
        }
        let admitted = Admitted {
            evidence: satisfied,
        };
        settled(found_unless(reasons, Ok(admitted)))
    }

    fn publication(
        &self,
        subject: &Artifact,
        publications: &[&Verified<Statement<Publish>>],
        now: Time,
    ) -> Result<Digest, Denied> {
        let digest = subject.digest();
        let missing = || {
            let message = format!("the model {digest} was not published");
            Reason::new(Code::PublishMissing, message, self.publish_way())
        };
        let against = |stated: &Verified<Statement<Publish>>| {
            self.check_publication(&stated.value().predicate, now)
        };
        let found = first_allowed(&about(publications, digest), against, missing);
        found.map(|stated| stated.proof().bundle)
    }

    fn check_publication(&self, publish: &Publish, now: Time) -> Vec<Reason> {
        let reason = |code, message: String| Reason::new(code, message, self.publish_way());
        let descriptor = &publish.package;
        let age = self.check_age("publication", publish.creation_time, now);
        let package = (!self.package.is(descriptor)).then(|| {
            format!(
                "it was published as `{}/{}`, not as `{}`",
                descriptor.registry, descriptor.name, self.package
            )
        });
        let missing = age.into_iter().chain(package);
        let mut reasons: Vec<_> = missing
            .map(|message| reason(Code::PublishMissing, message))
            .collect();
        let stated = descriptor.environment.as_deref();
        if stated != Some(self.environment.as_str()) {
            let stated = stated.map_or("no environment".to_owned(), |stated| format!("`{stated}`"));
            let message = format!(
                "it was published for {stated}, not for `{}`",
                self.environment
            );
            reasons.push(reason(Code::EnvironmentMismatch, message));
        }
        reasons
    }

    /// Says whether something may be had by whom it will run as: requirement (5) alone. Returns the bundle of the deployment.
    #[must_use]
    pub fn evaluate_deployment(
        &self,
        digest: Digest,
        deployments: &[&Verified<Statement<Deployment>>],
        now: Time,
    ) -> Verdict<Digest> {
        settled(self.deployment(digest, deployments, now))
    }

    fn deployment(
        &self,
        digest: Digest,
        deployments: &[&Verified<Statement<Deployment>>],
        now: Time,
    ) -> Result<Digest, Denied> {
        let missing = || {
            let message = format!("the model {digest} was not deployed for anyone");
            Reason::new(Code::DeploymentMissing, message, self.deploy_way())
        };
        let against = |stated: &Verified<Statement<Deployment>>| {
            self.check_deployment(stated.value(), digest, now)
        };
        let found = first_allowed(&about(deployments, digest), against, missing);
        found.map(|stated| stated.proof().bundle)
    }

    fn check_deployment(
        &self,
        stated: &Statement<Deployment>,
        model: Digest,
        now: Time,
    ) -> Vec<Reason> {
        let reason = |code, message: String| Reason::new(code, message, self.deploy_way());
        let deployment = &stated.predicate;
        let age = self.check_age("deployment", deployment.creation_time, now);
        let package = self.check_deployed_package(stated, model);
        let missing = age.into_iter().chain(package);
        let missing = missing.map(|message| reason(Code::DeploymentMissing, message));
        let scope = self.check_scopes(&deployment.scopes);
        let scope = scope.map(|message| reason(Code::ScopeMismatch, message));
        let place = self.check_environments(&deployment.environments);
        let place = place.map(|message| reason(Code::EnvironmentMismatch, message));
        missing.chain(scope).chain(place).collect()
    }

    /// A deployment is for the package that its subject is called: slsa-policy's predicate has no other place for it. The
    /// policy that let one package run may have nothing to say of another with the same files.
    fn check_deployed_package(
        &self,
        stated: &Statement<Deployment>,
        model: Digest,
    ) -> Option<String> {
        let package = self.package.to_string();
        let subjects = stated.subjects.iter();
        let names = subjects.filter(|subject| subject.digest == model);
        let names: Vec<&str> = names.map(|subject| subject.name.as_str()).collect();
        if names.contains(&package.as_str()) {
            return None;
        }
        Some(match names.iter().find(|name| !name.is_empty()) {
            None => "its deployment names no package".to_owned(),
            Some(name) => format!("it was deployed as `{name}`, not as `{package}`"),
        })
    }

    fn publish_way(&self) -> String {
        format!(
            "publish it: `modelward publish … --environment {}`",
            self.environment
        )
    }

    fn deploy_way(&self) -> String {
        format!(
            "deploy it with the policy that protects `{}`: `modelward deploy …`",
            self.service_account
        )
    }

    /// The predicate's rule: a scope type that the reader doesn't know must be refused, for it may narrow what we would
    /// then allow everywhere.
    fn check_scopes(&self, scopes: &BTreeMap<String, String>) -> Option<String> {
        let known = GOOGLE_SERVICE_ACCOUNT;
        let unknown: Vec<_> = scopes.keys().filter(|scope| *scope != known).collect();
        if let Some(scope) = unknown.first() {
            return Some(format!(
                "its deployment has the scope `{scope}`, which this gate can't check"
            ));
        }
        match scopes.get(known) {
            Some(account) if *account == self.service_account && !account.is_empty() => None,
            Some(account) => Some(format!(
                "it was deployed for `{account}`, not for `{}`",
                self.service_account
            )),
            None => Some("its deployment names no service account".to_owned()),
        }
    }

    /// A deployment is for the environments of its policy: one for staging is none for prod, though the model was
    /// published for both.
    fn check_environments(&self, environments: &[String]) -> Option<String> {
        if environments.contains(&self.environment) {
            return None;
        }
        Some(match environments {
            [] => "its deployment names no environment".to_owned(),
            some => format!(
                "it was deployed for `{}`, not for `{}`",
                some.join("`, `"),
                self.environment
            ),
        })
    }

    /// What speaks against a statement of this time: not yet made, or made too long ago.
    fn check_age(&self, what: &str, stated: Time, now: Time) -> Option<String> {
        if is_future(stated, now) {
            Some(format!("the {what} is dated {stated}, which has not come"))
        } else if now > stated.plus_seconds(self.max_age_seconds) {
            Some(format!(
                "the {what} is of {stated}, older than the {} seconds allowed",
                self.max_age_seconds
            ))
        } else {
            None
        }
    }
}

fn about<'a, P: trust::Predicate>(
    statements: &[&'a Verified<Statement<P>>],
    digest: Digest,
) -> Vec<&'a Verified<Statement<P>>> {
    let is_about = |stated: &&&Verified<Statement<P>>| stated.value().is_about(digest);
    statements.iter().filter(is_about).copied().collect()
}

/// A signature over exactly these files; else how the one that is most like it differs.
fn signature(
    subject: &Artifact,
    signatures: &[&Verified<Statement<ModelSignature>>],
) -> Result<Digest, Denied> {
    let mut nearest: Option<Vec<Difference>> = None;
    for stated in signatures {
        let signed = &stated.value().predicate;
        let differences = differences(subject, signed);
        if differences.is_empty() {
            return Ok(stated.proof().bundle);
        }
        let is_nearer = nearest
            .as_ref()
            .is_none_or(|known| differences.len() < known.len());
        if is_nearer && shares_a_file(subject, signed) {
            nearest = Some(differences);
        }
    }
    let reasons = nearest.iter().flatten().map(Difference::reason).collect();
    Err(Denied::from_reasons(reasons).unwrap_or_else(|| {
        let message = format!(
            "nobody whom the trust root knows signed the model {}",
            subject.digest()
        );
        let way = "sign it with `modelward sign`";
        Denied::because(Reason::new(Code::SignatureMissing, message, way))
    }))
}

pub(crate) fn differences(subject: &Artifact, signed: &ModelSignature) -> Vec<Difference> {
    let files = subject.files();
    let form = match files.len() {
        1 => Form::SingleFile,
        _ => Form::Folder,
    };
    let files = files.iter();
    let files = files.map(|(path, file)| (path, file.digest.into()));
    trust::differences(signed, Method::WHOLE_SHA256, files, form)
}

/// Whether a signature is about this model in some earlier or altered state, rather than about another one.
pub(crate) fn shares_a_file(subject: &Artifact, signed: &ModelSignature) -> bool {
    let (names, digests): (BTreeSet<&str>, BTreeSet<ResourceDigest>) = signed.resources().unzip();
    let mut files = subject.files().iter();
    files.any(|(path, file)| names.contains(path) || digests.contains(&file.digest.into()))
}

/// Provenance of the model as a whole, or of every one of its files.
fn provenance(
    subject: &Artifact,
    provenance: &[&Verified<Statement<Provenance>>],
) -> Result<Digest, Denied> {
    let found = provenance
        .iter()
        .find(|stated| stated.value().covers(subject));
    found.map(|stated| stated.proof().bundle).ok_or_else(|| {
        let message = format!(
            "no provenance is about the model {} or all of its files",
            subject.digest()
        );
        let way = "make it with `modelward train`, which says how it was made";
        Denied::because(Reason::new(Code::ProvenanceMissing, message, way))
    })
}
