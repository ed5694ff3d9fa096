//! Tests beside a policy: cases, each a model, what was said of it, and what the policy is to decide.
//!
//! A case's statements are sealed with keys that are made for it alone, each trusted to say what it says, and verified as
//! any gate verifies. So a case is about the policy: what a trust root believes is not.

use std::collections::BTreeMap;

use decode::json::Value;
use digest::{Digest, Listing, measure_bytes};
use trust::predicate::{
    Approval, ApprovalRequest, CycloneDx, Dataset, Exception, Form, ModelSignature, Provenance,
    ScanReport, Spdx,
};
use trust::{
    Artifact, Code, Kind, Opaque, Predicate, PrivateKey, RootKey, Signer, Statement, Time,
    TrustRoot, Verdict, Verified,
};

use super::{Decision, Evidence, Place, Policy, scope_rule};
use crate::PolicyError;
use crate::fields::{Fields, nearest};
use crate::toml_file;

const KEYS: &[&str] = &["policy", "now", "case"];
const CASE_KEYS: &[&str] = &[
    "name",
    "expect",
    "codes",
    "environment",
    "scopes",
    "files",
    "statement",
];
const STATEMENT_KEYS: &[&str] = &["by", "type", "subject", "as", "predicate"];
/// What stands for the statement that signs the model's files: it says nothing that a case could choose.
const SIGNATURE: &str = "signature";

/// A file of cases.
#[derive(Debug)]
pub struct Cases {
    /// The policy's file, beside this one.
    pub policy: String,
    /// When it is asked.
    pub now: Time,
    cases: Vec<Case>,
}

#[derive(Debug)]
struct Case {
    name: String,
    is_allowed: bool,
    codes: Option<Vec<Code>>,
    place: Place,
    model: Artifact,
    statements: Vec<Stated>,
}

#[derive(Debug)]
struct Stated {
    by: String,
    predicate_type: String,
    subject: Option<String>,
    called: Option<String>,
    predicate: Option<Value>,
}

/// What came of a case.
#[derive(Debug)]
pub struct Ran {
    /// What it is called.
    pub name: String,
    /// What the policy decided; an error if a statement of the case is none.
    pub decision: Result<Decision, String>,
    /// How that differs from what was expected.
    pub problem: Option<String>,
}

impl Cases {
    /// Reads a file of cases, by the name that errors call it by.
    ///
    /// # Errors
    /// It is not TOML, has a key that is unknown or stands twice, or breaks a rule of the format.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, PolicyError> {
        let value = toml_file::table(file, bytes)?;
        let document = Fields::of_document(file, &value, KEYS)?;
        let now = document.text("now")?.parse();
        let cases = document.objects("case", CASE_KEYS)?;
        Ok(Self {
            policy: document.text("policy")?.to_owned(),
            now: now
                .map_err(|_| document.refused("now", "a time such as `2026-01-31T12:00:00Z`"))?,
            cases: cases.iter().map(case).collect::<Result<_, _>>()?,
        })
    }

    /// Asks a policy about each case.
    #[must_use]
    pub fn run(&self, policy: &Policy) -> Vec<Ran> {
        self.cases
            .iter()
            .map(|case| case.run(policy, self.now))
            .collect()
    }
}

fn case(fields: &Fields<'_>) -> Result<Case, PolicyError> {
    let is_allowed = match fields.text("expect")? {
        "allowed" => true,
        "denied" => false,
        _ => return Err(fields.refused("expect", "`allowed` or `denied`")),
    };
    let codes = fields
        .optional("codes")
        .map(|_| codes(fields))
        .transpose()?;
    if is_allowed && codes.is_some() {
        return Err(fields.refused("codes", "an allowed case has no reasons"));
    }
    let mut listing = Listing::new();
    for (name, text) in fields.named_texts("files", |_, _| None)? {
        listing.insert(&name, measure_bytes(text.as_bytes()));
    }
    let model = Artifact::from_listing(Kind::Model, &listing);
    let scopes = fields
        .optional("scopes")
        .map(|_| fields.named_texts("scopes", scope_rule));
    let environment = fields
        .optional("environment")
        .map(|_| fields.text("environment"));
    let statements = match fields.optional("statement") {
        None => Vec::new(),
        Some(_) => fields
            .objects("statement", STATEMENT_KEYS)?
            .iter()
            .map(stated)
            .collect::<Result<_, _>>()?,
    };
    Ok(Case {
        name: fields.text("name")?.to_owned(),
        is_allowed,
        codes,
        place: Place {
            environment: environment.transpose()?.map(str::to_owned),
            scopes: scopes.transpose()?.unwrap_or_default(),
        },
        model: model
            .map_err(|_| fields.refused("files", "plain relative names, each with its text"))?,
        statements,
    })
}

fn codes(fields: &Fields<'_>) -> Result<Vec<Code>, PolicyError> {
    let word = |word: &String| {
        Code::from_word(word).ok_or_else(|| {
            let like = nearest(word, Code::ALL.iter().map(|code| code.as_str()));
            let like = like
                .map(|known| format!("; did you mean `{known}`?"))
                .unwrap_or_default();
            fields.refused("codes", &format!("`{word}` is no code{like}"))
        })
    };
    fields.texts("codes")?.iter().map(word).collect()
}

fn stated(fields: &Fields<'_>) -> Result<Stated, PolicyError> {
    let optional = |key| {
        fields
            .optional(key)
            .map(|_| fields.text(key).map(str::to_owned))
            .transpose()
    };
    let predicate_type = fields.text("type")?.to_owned();
    let predicate = fields.optional("predicate").cloned();
    if (predicate_type == SIGNATURE) == predicate.is_some() {
        return Err(fields.refused("predicate", "every statement but a `signature` has one"));
    }
    Ok(Stated {
        by: fields.text("by")?.to_owned(),
        predicate_type,
        subject: optional("subject")?,
        called: optional("as")?,
        predicate,
    })
}

impl Case {
    fn run(&self, policy: &Policy, now: Time) -> Ran {
        let decision = self
            .said(policy, now)
            .map(|said| said.evaluate(policy, &self.model, &self.place, now));
        let problem = match &decision {
            Ok(decision) => self.problem(decision),
            Err(cause) => Some(cause.clone()),
        };
        Ran {
            name: self.name.clone(),
            decision,
            problem,
        }
    }

    fn problem(&self, decision: &Decision) -> Option<String> {
        let got: Vec<Code> = match decision.verdict() {
            Verdict::Allowed(_) if self.is_allowed => return None,
            Verdict::Allowed(_) => return Some("it is allowed, and was to be denied".to_owned()),
            Verdict::Denied(denied) => denied.reasons().map(|reason| reason.code).collect(),
        };
        let words = |codes: &[Code]| {
            let mut words: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
            words.sort_unstable();
            words.dedup();
            words.join("`, `")
        };
        let got = words(&got);
        match &self.codes {
            _ if self.is_allowed => {
                Some(format!("it is denied for `{got}`, and was to be allowed"))
            }
            Some(want) if words(want) != got => Some(format!(
                "it is denied for `{got}`, and was to be for `{}`",
                words(want)
            )),
            _ => None,
        }
    }

    /// All that was said, each statement sealed and verified.
    fn said(&self, policy: &Policy, now: Time) -> Result<Said, String> {
        let mut said = Said::default();
        let mut known = BTreeMap::from([
            ("@model".to_owned(), self.model.digest()),
            ("@policy".to_owned(), policy.digest()),
        ]);
        for (path, file) in self.model.files() {
            known.insert(format!("@file:{path}"), file.digest);
        }
        for stated in &self.statements {
            let payload = self.payload(stated, &known)?;
            let bundle = said.take(stated, payload, now)?;
            if let Some(called) = &stated.called {
                known.insert(format!("@{called}"), bundle);
            }
        }
        Ok(said)
    }

    fn payload(
        &self,
        stated: &Stated,
        known: &BTreeMap<String, Digest>,
    ) -> Result<Vec<u8>, String> {
        let Some(predicate) = &stated.predicate else {
            let form = if self.model.files().len() == 1 {
                Form::SingleFile
            } else {
                Form::Folder
            };
            return Ok(
                ModelSignature::statement("model", &self.model, form, Vec::new()).to_bytes(),
            );
        };
        let subject = stated.subject.as_deref().unwrap_or("@model");
        let digest = known.get(subject).copied().or_else(|| subject.parse().ok());
        let digest =
            digest.ok_or_else(|| format!("`{subject}` is no digest, nor a name of the case"))?;
        let statement = serde_json::json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "model", "digest": {"sha256": digest.hex()}}],
            "predicateType": stated.predicate_type,
            "predicate": resolved(predicate, known),
        });
        Ok(statement.to_string().into_bytes())
    }
}

/// A predicate with every name of the case replaced by the digest that it stands for.
fn resolved(value: &Value, known: &BTreeMap<String, Digest>) -> serde_json::Value {
    let each = |value| resolved(value, known);
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        // What the reader took for a number is one.
        Value::Number(text) => serde_json::from_str(text).unwrap_or_default(),
        Value::String(text) => known
            .get(text)
            .map_or_else(|| text.clone(), Digest::to_string)
            .into(),
        Value::Array(items) => items.iter().map(each).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (key.clone(), each(value)))
            .collect(),
    }
}

macro_rules! said {
    ($($list:ident $predicate:ident)*) => {
        /// All that was said in a case.
        #[derive(Default)]
        struct Said { $($list: Vec<Verified<Statement<$predicate>>>,)* }

        impl Said {
            /// Seals, verifies and keeps a statement; gives back its bundle's digest.
            fn take(&mut self, stated: &Stated, payload: Vec<u8>, now: Time) -> Result<Digest, String> {
                let predicate_type = match stated.predicate_type.as_str() {
                    SIGNATURE => ModelSignature::TYPE,
                    other => other,
                };
                match predicate_type {
                    $($predicate::TYPE => {
                        let verified = sealed::<$predicate>(&stated.by, payload, now)?;
                        let bundle = verified.proof().bundle;
                        self.$list.push(verified);
                        Ok(bundle)
                    })*
                    other => {
                        let known = [$($predicate::TYPE,)* SIGNATURE];
                        Err(format!("`{other}` is no type that a policy asks for: `{}`", known.join("`, `")))
                    }
                }
            }

            fn evaluate(&self, policy: &Policy, model: &Artifact, place: &Place, now: Time) -> Decision {
                $(let $list: Vec<_> = self.$list.iter().collect();)*
                policy.evaluate(model, &Evidence { $($list: &$list,)* }, place, now)
            }
        }
    };
}

said! {
    signatures ModelSignature
    provenance Provenance
    scans ScanReport
    datasets Dataset
    cyclonedx CycloneDx
    spdx Spdx
    requests ApprovalRequest
    approvals Approval
    exceptions Exception
}

/// A statement by a key of its signer's own, believed by a root that lets it say just this.
fn sealed<P: Predicate>(
    by: &str,
    payload: Vec<u8>,
    now: Time,
) -> Result<Verified<Statement<P>>, String> {
    let told = |cause: &dyn std::error::Error| match cause.source() {
        Some(source) => format!("the statement by `{by}`: {cause}: {source}"),
        None => format!("the statement by `{by}`: {cause}"),
    };
    let speaker = {
        let read = Statement::<Opaque<'_>>::parse(&payload).map_err(|e| told(&e))?;
        let statement = P::of_statement(read).map_err(|e| told(&e))?;
        statement.predicate.speaker().map(str::to_owned)
    };
    // A key of no worth: whoever knows the name has it, and no root but this one knows it.
    let key = PrivateKey::from_random(Digest::of(by.as_bytes()).raw()).map_err(|e| told(&e))?;
    let (from, until) = (now.plus_seconds(-1), now.plus_seconds(1));
    let root = TrustRoot::new(from, until).with_key(RootKey {
        name: by.to_owned(),
        public_key: key.public_key().clone(),
        roles: vec![P::ROLE],
        speaks_for: speaker.into_iter().collect(),
        valid_from: from,
        valid_until: until,
    });
    let bundle = key.seal(payload).map_err(|e| told(&e))?;
    trust::verify(&bundle.to_bytes(), &root, now).map_err(|e| told(&e))
}
