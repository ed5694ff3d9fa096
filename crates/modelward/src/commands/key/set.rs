//! `modelward key set NAME`

use serde_json::json;
use trust::{Code, Role, RootCertificate, RootIdentity, RootKey, Time, TrustRoot};

use super::{CLOCK_SLACK_SECONDS, YEAR_SECONDS, once, save};
use crate::answer::{Answer, Failure};
use crate::lines::Lines;
use crate::ui::Ui;
use crate::workspace::Workspace;

mod certificate;
mod identity;
mod public_key;

/// Somebody is known by one of three: a key, a certificate that an authority made out to them, or an identity that a
/// provider vouches for when they sign keylessly (Sigstore).
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward key set laptop --role sign --role scan")]
pub(super) struct Args {
    /// Who; without it only the root's own times can be changed
    name: Option<String>,
    #[command(flatten)]
    terms: Terms,
    /// Believe them no longer
    #[arg(long, requires = "name", conflicts_with_all = ["roles", "speaks_for", "valid_from", "valid_until"])]
    remove: bool,
    /// From when the trust root holds
    #[arg(long, value_name = "TIME")]
    root_valid_from: Option<Time>,
    /// Until when the trust root holds
    #[arg(long, value_name = "TIME")]
    root_expires: Option<Time>,
    #[command(flatten)]
    key: public_key::KnownKey,
    #[command(flatten)]
    certificate: certificate::KnownCertificate,
    #[command(flatten)]
    identity: identity::KnownIdentity,
}

/// What somebody may say, as whom and when; what is not given stays as it was.
#[derive(Debug, clap::Args)]
struct Terms {
    /// What they may say from now on (dataset, build, scan, sign, publish, deploy, admit, serve, recall, approve, break-glass)
    #[arg(long = "role", value_name = "ROLE", requires = "name")]
    roles: Vec<Role>,
    /// The names they may speak for from now on
    #[arg(long, value_name = "NAME", requires = "name")]
    speaks_for: Vec<String>,
    /// From when they are believed
    #[arg(long, value_name = "TIME", requires = "name")]
    valid_from: Option<Time>,
    /// Until when they are believed
    #[arg(long, value_name = "TIME", requires = "name")]
    valid_until: Option<Time>,
}

/// The terms of one of the root's, to be changed.
struct Standing<'a> {
    name: &'a str,
    roles: &'a mut Vec<Role>,
    speaks_for: &'a mut Vec<String>,
    valid_from: &'a mut Time,
    valid_until: &'a mut Time,
}

impl Standing<'_> {
    fn change(self, terms: &Terms) -> Result<(), Failure> {
        if !terms.roles.is_empty() {
            *self.roles = once(&terms.roles);
        }
        if !terms.speaks_for.is_empty() {
            *self.speaks_for = once(&terms.speaks_for);
        }
        *self.valid_from = terms.valid_from.unwrap_or(*self.valid_from);
        *self.valid_until = terms.valid_until.unwrap_or(*self.valid_until);
        in_order(
            &format!("`{}`", self.name),
            *self.valid_from,
            *self.valid_until,
        )?;
        if self.roles.is_empty() {
            return Err(Failure::error(
                Code::Usage,
                format!("`{}` would have no role", self.name),
                "say what they may say: `--role ROLE`",
            ));
        }
        Ok(())
    }
}

/// One of those whom the root knows, by whatever that is.
trait Known: Clone + PartialEq + 'static {
    fn standing(&mut self) -> Standing<'_>;

    fn all(root: &TrustRoot) -> impl Iterator<Item = &Self>;

    fn put(self, root: TrustRoot) -> TrustRoot;

    /// The root, with this one on these terms.
    fn on(mut self, terms: &Terms, root: &TrustRoot) -> Result<TrustRoot, Failure> {
        self.standing().change(terms)?;
        let is_there = Self::all(root).any(|known| *known == self);
        let root = root.clone();
        Ok(if is_there { root } else { self.put(root) })
    }
}

/// As the root keeps each sort.
macro_rules! known {
    ($sort:ty, $all:ident, $put:ident) => {
        impl Known for $sort {
            fn standing(&mut self) -> Standing<'_> {
                Standing {
                    name: &self.name,
                    roles: &mut self.roles,
                    speaks_for: &mut self.speaks_for,
                    valid_from: &mut self.valid_from,
                    valid_until: &mut self.valid_until,
                }
            }

            fn all(root: &TrustRoot) -> impl Iterator<Item = &Self> {
                root.$all()
            }

            fn put(self, root: TrustRoot) -> TrustRoot {
                root.$put(self)
            }
        }
    };
}

known!(RootKey, keys, with_key);
known!(RootCertificate, certificates, with_certificate);
known!(RootIdentity, identities, with_identity);

/// The time for which somebody new is believed, if none is given.
fn a_year_from(now: Time) -> (Time, Time) {
    let from = now.plus_seconds(-CLOCK_SLACK_SECONDS);
    (from, now.plus_seconds(YEAR_SECONDS))
}

pub(super) fn change(args: &Args, workspace: &Workspace, ui: &Ui) -> Result<Answer, Failure> {
    let mut root = workspace.root.clone();
    if let Some(name) = &args.name {
        root = match args.remove {
            true => removed(root, name)?,
            false => changed(args, name, workspace)?,
        };
    }
    if args.root_valid_from.is_some() || args.root_expires.is_some() {
        let from = args.root_valid_from.unwrap_or(root.valid_from());
        let expires = args.root_expires.unwrap_or(root.expires());
        in_order("the trust root", from, expires)?;
        root = root.with_times(from, expires);
    }
    if root == workspace.root {
        return Err(Failure::error(
            Code::Usage,
            "there is nothing to change",
            "see `modelward help key set`",
        ));
    }
    save(workspace, &root)?;
    args.warn_of_roles(&root, ui);
    let mut text = Lines::from(format!("the trust root is now number {}", root.serial()));
    let known = workspace.root.keys();
    for gone in known.filter(|key| root.key(key.public_key.id()).is_none()) {
        // The whole id: from now on nothing here may know which one is meant by less.
        text.push(format!(
            "the key that was `{}` is {}: if it was stolen, recall it by this id",
            gone.name,
            gone.public_key.id()
        ));
    }
    Ok(Answer::new(
        text,
        json!({"serial": root.serial(), "root": root.digest().to_string()}),
    ))
}

fn removed(root: TrustRoot, name: &str) -> Result<TrustRoot, Failure> {
    if !root.has_name(name) {
        return Err(nobody(name));
    }
    Ok(root.without_key(name))
}

/// The root with this one changed or added.
fn changed(args: &Args, name: &str, workspace: &Workspace) -> Result<TrustRoot, Failure> {
    let (asked, there) = (args.sort(), Sort::of(name, &workspace.root));
    match (asked, there) {
        (Some(asked), Some(there)) if asked != there => Err(of_another_sort(name, there)),
        (None, None) => Err(nobody(name)),
        (Some(Sort::Key), _) | (None, Some(Sort::Key)) => {
            args.key.changed(name, &args.terms, workspace)
        }
        (Some(Sort::Certificate), _) | (None, Some(Sort::Certificate)) => {
            args.certificate.changed(name, &args.terms, workspace)
        }
        (Some(Sort::Identity), _) | (None, Some(Sort::Identity)) => {
            args.identity.changed(name, &args.terms, workspace)
        }
    }
}

/// By what somebody is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Key,
    Certificate,
    Identity,
}

impl Sort {
    /// By what the root knows this one.
    fn of(name: &str, root: &TrustRoot) -> Option<Self> {
        let is_key = root.keys().any(|key| key.name == name);
        let is_certificate = root.certificates().any(|holder| holder.name == name);
        let is_identity = root.identities().any(|signer| signer.name == name);
        [
            (is_key, Self::Key),
            (is_certificate, Self::Certificate),
            (is_identity, Self::Identity),
        ]
        .into_iter()
        .find_map(|(is_it, sort)| is_it.then_some(sort))
    }
}

impl Args {
    /// Models are signed by certificates and identities; all else is said by keys.
    fn warn_of_roles(&self, root: &TrustRoot, ui: &Ui) {
        let sort = self.name.as_deref().and_then(|name| Sort::of(name, root));
        let is_odd = |role: &&Role| **role != Role::Sign;
        if !matches!(sort, Some(Sort::Certificate | Sort::Identity)) {
            return;
        }
        for role in once(&self.terms.roles).iter().filter(is_odd) {
            ui.warn(&format!(
                "nothing here asks for what somebody says as `{role}` whom it knows by a certificate or an identity: they sign models, with `--role sign`"
            ));
        }
    }

    /// By what somebody is to be known.
    fn sort(&self) -> Option<Sort> {
        [
            (self.key.is_given(), Sort::Key),
            (self.certificate.is_given(), Sort::Certificate),
            (self.identity.is_given(), Sort::Identity),
        ]
        .into_iter()
        .find_map(|(is_given, sort)| is_given.then_some(sort))
    }
}

/// What ends before it begins never holds, and nobody means that.
fn in_order(what: &str, from: Time, until: Time) -> Result<(), Failure> {
    if from < until {
        return Ok(());
    }
    let message = format!("{what} would hold from {from} until {until}, which is never");
    let hint = "give both times, the earlier first";
    Err(Failure::error(Code::Usage, message, hint))
}

fn nobody(name: &str) -> Failure {
    let message = format!("the trust root calls nobody `{name}`");
    let way = "`modelward key list` shows whom it knows; add somebody with `--public-key`, `--certificate-chain` or `--identity`";
    Failure::error(Code::KeyMissing, message, way)
}

fn of_another_sort(name: &str, there: Sort) -> Failure {
    let what = match there {
        Sort::Key => "a key",
        Sort::Certificate => "a certificate",
        Sort::Identity => "an identity",
    };
    let message = format!("the trust root knows `{name}` by {what}");
    let way = "choose another name, or remove that one first: `modelward key set NAME --remove`";
    Failure::error(Code::KeyExists, message, way)
}

fn known_as(other: &str, what: &str) -> Failure {
    let message = format!("the trust root knows this {what} as `{other}`");
    let way = "change that one, or remove it first: `modelward key set NAME --remove`";
    Failure::error(Code::KeyExists, message, way)
}
