//! `modelward key show NAME`, or of a key that is elsewhere

use serde_json::json;
use trust::{Code, PublicKey};

use super::no_key;
use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::holder::Holder;
use crate::lines::Lines;
use crate::workspace::Workspace;

/// Print a key's public half in PEM, for those who verify
///
/// A token or a program is asked for it as when it signs, and needs no store.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward key show laptop > laptop.pub")]
pub(super) struct Args {
    /// A key of the trust root, by its name
    #[arg(value_name = "NAME")]
    key: Option<String>,
    #[command(flatten)]
    holder: Holder,
}

pub(super) fn run(args: &Args, common: &Common) -> Result<Answer, Failure> {
    let key = match &args.key {
        Some(name) => of_root(name, &Workspace::open(common)?)?,
        None if args.holder.is_named() => args.holder.open()?.public_key().clone(),
        None => {
            let way =
                "name a key of the trust root, or give `--private-key`, `--token` or `--plugin`";
            return Err(Failure::error(Code::Usage, "no key was named", way));
        }
    };
    let data = json!({"id": key.id().to_string(), "publicKey": key.pem()});
    Ok(Answer::new(Lines::page(key.pem()), data))
}

fn of_root(name: &str, workspace: &Workspace) -> Result<PublicKey, Failure> {
    let known = workspace.root.keys().find(|key| key.name == name);
    let known = known.ok_or_else(|| no_key(name))?;
    Ok(known.public_key.clone())
}
