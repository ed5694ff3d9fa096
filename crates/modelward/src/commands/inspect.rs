//! `modelward inspect BUNDLE`

use std::path::PathBuf;

use serde_json::{Value, json};
use trust::predicate::ModelSignature;
use trust::sigstore::LogEntry;
use trust::x509::Certificate;
use trust::{Bundle, Material, Opaque, Predicate, Proof, Statement, Time, timestamp};

use super::verify::{certificate, identity, read_signature, who};
use crate::answer::{Answer, Failure};
use crate::believed::Believed;
use crate::lines::counted;
use crate::step_lines::harmless;
use crate::ui::Ui;

/// Show what a signature says
///
/// Whoever wrote the file can have written anything. What is shown is marked as not verified, unless it is said whom to
/// believe; and in no case are files compared: that is `verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward inspect out/digits.sig")]
pub(crate) struct Args {
    /// The signature
    bundle: PathBuf,
    /// Show so many files at most
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    files: usize,
    #[command(flatten)]
    believed: Believed,
}

pub(crate) fn run(args: &Args, ui: &Ui) -> Result<Answer, Failure> {
    let bytes = read_signature(&args.bundle)?;
    let now = host::clock::now()?;
    let proof = match args.believed.root(now, ui)? {
        None => None,
        Some(root) => {
            let verified = trust::verify::<ModelSignature>(&bytes, &root, now)
                .map_err(|e| args.believed.refused(&root, e))?;
            Some(verified.proof().clone())
        }
    };
    let bundle = Bundle::parse(&bytes)?;
    let statement = Statement::<Opaque<'_>>::parse(bundle.envelope().payload())?;
    let said = Said::of(&statement)?;
    let (mut lines, mut data) = signers(&bundle, proof.as_ref());
    lines.extend(said.lines(args.files));
    if let (Some(members), Value::Object(more)) = (data.as_object_mut(), said.data(args.files)) {
        members.extend(more);
    }
    Ok(Answer::new(lines, data))
}

/// Who is said to have signed, and whether that was checked.
fn signers(bundle: &Bundle, proof: Option<&Proof>) -> (Vec<String>, Value) {
    let mut lines = vec![match proof {
        Some(proof) => format!("VERIFIED: signed by {}; no file was compared", who(proof)),
        None => "NOT VERIFIED: anybody can have written what follows; `--public-key`, `--certificate-chain` or `--identity` says \
                 whom to believe"
            .to_owned(),
    }];
    let (kind, hint, leaf) = match bundle.material() {
        Material::Key { hint, .. } => ("key", *hint, None),
        Material::Certificate { leaf, .. } => ("certificate", None, Some(leaf)),
        Material::Keyless { leaf, .. } => ("keyless", None, Some(leaf)),
    };
    let times = claimed_times(bundle.material());
    let count = bundle.envelope().signatures.len();
    let older = match bundle.is_older_form() {
        true => ", in an older form (`modelward bundle convert`)",
        false => "",
    };
    lines.push(format!(
        "kind: {kind}, {}{older}",
        counted(count, "signature")
    ));
    lines.extend(hint.map(|key| format!("key: {}", key.short())));
    let leaf = leaf.map(|der| described(der));
    if let Some((text, _)) = &leaf {
        lines.extend(text.iter().map(|line| harmless(line)));
    }
    if !times.is_empty() {
        lines.push(format!("said to have been there at: {}", times.join(", ")));
    }
    let data = json!({"verified": proof.is_some(), "kind": kind, "olderForm": bundle.is_older_form(), "signatures": count,
                      "key": hint.map(|key| key.to_string()), "leaf": leaf.map(|(_, data)| data), "claimedTimes": times,
                      "keyName": proof.map(|proof| proof.key_name.clone()),
                      "certificate": proof.map_or(Value::Null, |proof| certificate(&proof.how)),
                      "identity": proof.map_or(Value::Null, |proof| identity(&proof.how))});
    (lines, data)
}

/// When the signature was there, as timestamps and lines of logs that came with it say. That one of them is believed, a
/// verified certificate's `stamped` says.
fn claimed_times(material: &Material) -> Vec<String> {
    let (entries, tokens) = match material {
        Material::Certificate { timestamps, .. } => (&[][..], timestamps),
        Material::Key {
            entries,
            timestamps,
            ..
        }
        | Material::Keyless {
            entries,
            timestamps,
            ..
        } => (&entries[..], timestamps),
    };
    // A log of the second version dates nothing.
    let entries = entries.iter().filter_map(LogEntry::claimed_time);
    let tokens = tokens.iter();
    let tokens = tokens.filter_map(|token| timestamp::claimed_time(token));
    let mut times: Vec<Time> = entries.chain(tokens).collect();
    times.sort();
    times.dedup();
    times.iter().map(ToString::to_string).collect()
}

/// What the certificate of a signer says of itself.
fn described(der: &[u8]) -> (Vec<String>, Value) {
    let leaf = match Certificate::from_der(der) {
        Ok(leaf) => leaf,
        Err(error) => {
            let text = format!("certificate: can't be read: {error}");
            return (vec![text], Value::Null);
        }
    };
    let identities: Vec<String> = leaf.identities().iter().map(ToString::to_string).collect();
    let (from, until) = (leaf.not_before(), leaf.not_after());
    let lines = vec![
        format!("certificate: {}", identities.join(" · ")),
        format!("issued by: {}", leaf.issuer()),
        format!("valid: {from} to {until}"),
    ];
    let data = json!({"identities": identities, "issuer": leaf.issuer().to_string(),
                      "validFrom": from.to_string(), "validUntil": until.to_string()});
    (lines, data)
}

/// What the statement says.
struct Said {
    predicate_type: String,
    /// Each by its name and digest.
    subjects: Vec<(String, String)>,
    /// Which files, where it is about a model's.
    model: Option<ModelSignature>,
}

impl Said {
    fn of(statement: &Statement<Opaque<'_>>) -> Result<Self, Failure> {
        let model = match ModelSignature::of_statement(statement.clone()) {
            Ok(signed) => Some(signed.predicate),
            Err(trust::Error::PredicateType { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let subjects = statement.subjects.iter();
        let subjects = subjects.map(|s| (s.name.clone(), s.digest.to_string()));
        Ok(Self {
            predicate_type: statement.predicate.predicate_type.clone(),
            subjects: subjects.collect(),
            model,
        })
    }

    fn lines(&self, most: usize) -> Vec<String> {
        let mut lines = vec![format!("says: {}", harmless(&self.predicate_type))];
        let about = if self.model.is_some() {
            "model"
        } else {
            "about"
        };
        // In the first release each file is a subject, and stands below.
        let shown = match &self.model {
            Some(signed) if signed.is_first_release() => 0,
            Some(_) => 1,
            None => most,
        };
        let subjects = self.subjects.iter().take(shown);
        lines
            .extend(subjects.map(|(name, digest)| format!("{about}: {} {digest}", harmless(name))));
        let Some(signed) = &self.model else {
            return lines;
        };
        lines.push(format!("hashed: {}", signed.method()));
        lines.push(format!(
            "links: {}",
            if signed.follows_links() {
                "followed"
            } else {
                "refused"
            }
        ));
        let ignored: Vec<String> = signed.ignored().iter().map(|path| harmless(path)).collect();
        if !ignored.is_empty() {
            lines.push(format!("left out: {}", ignored.join(", ")));
        }
        let count = signed.resources().count();
        let what = match signed.method().shard_size {
            None => "file",
            Some(_) => "piece",
        };
        lines.push(format!("{}:", counted(count, what)));
        let files = signed.resources().take(most);
        lines.extend(files.map(|(name, digest)| format!("  {} {}", digest.hex(), harmless(name))));
        if count > most {
            lines.push(format!("  and {} more (`--files {count}`)", count - most));
        }
        lines
    }

    fn data(&self, most: usize) -> Value {
        let signed = self.model.as_ref();
        let subject = |(name, digest): &(String, String)| json!({"name": name, "digest": digest});
        let file = |(name, digest): (&str, digest::ResourceDigest)| json!({"name": name, "digest": digest.to_string()});
        let files =
            signed.map(|signed| signed.resources().take(most).map(file).collect::<Vec<_>>());
        json!({"predicateType": self.predicate_type,
               "subjects": self.subjects.iter().take(most).map(subject).collect::<Vec<_>>(),
               "method": signed.map(|signed| signed.method().to_string()),
               "followsLinks": signed.map(ModelSignature::follows_links),
               "ignored": signed.map(ModelSignature::ignored),
               "files": files, "filesInAll": signed.map(|signed| signed.resources().count()),
               "inOrder": signed.map(ModelSignature::is_in_order)})
    }
}
