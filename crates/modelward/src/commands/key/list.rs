//! `modelward key list`

use serde_json::{Value, json};
use trust::x509::Certificate;
use trust::{Role, RootCertificate, RootIdentity, RootKey, SigstoreRoot, Time};

use super::described;
use crate::answer::Answer;
use crate::lines::Lines;
use crate::root_change;
use crate::workspace::{Workspace, keys_folder};

pub(super) fn list(workspace: &Workspace) -> Answer {
    let root = &workspace.root;
    let lines = root.keys().map(|key| of_key(key, workspace));
    let lines = lines.chain(root.certificates().map(|it| of_certificate(it, workspace)));
    let lines = lines.chain(root.identities().map(|it| of_identity(it, workspace)));
    let strays = Stray::all(workspace);
    let text: Lines = lines.chain(strays.iter().map(Stray::line)).collect();
    let keys: Vec<_> = root
        .keys()
        .map(|key| described(key, &workspace.keys))
        .collect();
    let certificates: Vec<_> = root.certificates().map(certificate).collect();
    let identities: Vec<_> = root.identities().map(identity).collect();
    let strays: Vec<_> = strays.iter().map(Stray::data).collect();
    let data = json!({"keys": keys, "certificates": certificates, "identities": identities, "strays": strays, "serial": root.serial(),
                      "validFrom": root.valid_from().to_string(), "expires": root.expires().to_string(),
                      "root": root.digest().to_string()});
    Answer::new(text, data)
}

/// A private key's file that the trust root knows nothing of.
struct Stray {
    name: String,
    /// Whether a command that was to make it was killed on the way.
    is_begun: bool,
}

impl Stray {
    fn all(workspace: &Workspace) -> Vec<Self> {
        let begun = root_change::begun(&keys_folder(&workspace.store));
        let is_known = |name: &String| workspace.root.keys().any(|key| key.name == *name);
        let names = workspace.keys.names().into_iter();
        let strays = names.filter(|name| !is_known(name)).map(|name| Self {
            is_begun: begun.contains(&name),
            name,
        });
        strays.collect()
    }

    fn line(&self) -> String {
        let Self { name, is_begun } = self;
        match is_begun {
            true => format!(
                "{name:16} private key here that nobody believes: a command that was to make it was stopped; the same one again goes on with it"
            ),
            false => format!("{name:16} private key here that nobody believes"),
        }
    }

    fn data(&self) -> Value {
        json!({"name": self.name, "begun": self.is_begun})
    }
}

fn of_key(key: &RootKey, workspace: &Workspace) -> String {
    let private = if workspace.keys.has(&key.name) {
        "private key here"
    } else {
        "public key only"
    };
    let who = format!("key {}", key.public_key.id().short());
    let line = line(&key.name, &who, &key.roles);
    let times = times(key.valid_from, key.valid_until, workspace.now);
    format!("{line}  {times}  {private}")
}

fn of_certificate(holder: &RootCertificate, workspace: &Workspace) -> String {
    let identity = holder.identity.as_ref();
    let identity = identity.map_or("anybody".to_owned(), ToString::to_string);
    let authorities: Vec<&str> = holder
        .anchors
        .iter()
        .map(|it| it.subject().as_str())
        .collect();
    let who = format!("certificate of {identity} by {}", authorities.join(" or "));
    let line = line(&holder.name, &who, &holder.roles);
    let times = times(holder.valid_from, holder.valid_until, workspace.now);
    format!("{line}  {times}")
}

fn of_identity(signer: &RootIdentity, workspace: &Workspace) -> String {
    let who = format!("identity {} by {}", signer.identity, signer.issuer);
    let line = line(&signer.name, &who, &signer.roles);
    let times = times(signer.valid_from, signer.valid_until, workspace.now);
    format!("{line}  {times}")
}

fn line(name: &str, who: &str, roles: &[Role]) -> String {
    let roles: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    format!("{name:16} {who}  {}", roles.join(","))
}

fn times(from: Time, until: Time, now: Time) -> String {
    match now {
        now if now < from => format!("from {from} until {until}"),
        now if now >= until => format!("ended {until}"),
        _ => format!("until {until}"),
    }
}

fn certificate(holder: &RootCertificate) -> Value {
    let all = |anchors: &[Certificate]| anchors.iter().map(authority).collect::<Vec<_>>();
    json!({
        "name": holder.name,
        "identity": holder.identity.as_ref().map(ToString::to_string),
        "anchors": all(&holder.anchors),
        "timestampAnchors": all(&holder.timestamp_anchors),
        "roles": words(&holder.roles),
        "speaksFor": holder.speaks_for,
        "validFrom": holder.valid_from.to_string(),
        "validUntil": holder.valid_until.to_string(),
    })
}

fn authority(certificate: &Certificate) -> Value {
    json!({"subject": certificate.subject().as_str(), "fingerprint": certificate.fingerprint().to_string(),
           "validFrom": certificate.not_before().to_string(), "validUntil": certificate.not_after().to_string()})
}

fn identity(signer: &RootIdentity) -> Value {
    json!({
        "name": signer.name,
        "identity": signer.identity,
        "issuer": signer.issuer,
        "trustedRoot": trusted_root(&signer.sigstore),
        "roles": words(&signer.roles),
        "speaksFor": signer.speaks_for,
        "validFrom": signer.valid_from.to_string(),
        "validUntil": signer.valid_until.to_string(),
    })
}

/// A root that is built in has a name, another one the digest of its file.
fn trusted_root(root: &SigstoreRoot) -> String {
    let digest = || digest::Digest::of(root.text().as_bytes()).to_string();
    root.name().map_or_else(digest, ToOwned::to_owned)
}

fn words(roles: &[Role]) -> Vec<&'static str> {
    roles.iter().map(|role| role.as_str()).collect()
}
