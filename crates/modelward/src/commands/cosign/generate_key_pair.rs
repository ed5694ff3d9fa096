//! `modelward generate-key-pair`

use std::path::PathBuf;

use serde_json::json;
use trust::Code;
use zeroize::Zeroizing;

use super::Everywhere;
use crate::answer::{Answer, Failure};
use crate::ui::Ui;
use crate::workspace::password;

/// Make a key in cosign's form: `cosign.key`, encrypted, and `cosign.pub`
///
/// As `cosign generate-key-pair` does, and either program signs with what the other made. The password comes from
/// COSIGN_PASSWORD, MODELWARD_PASSWORD, MODELWARD_PASSWORD_FILE or the prompt. No file is ever replaced: a key that is lost signs
/// nothing any more. A store's keys are made by `modelward key new`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward generate-key-pair --output-key-prefix release")]
pub(crate) struct Args {
    /// What the files are called before `.key` and `.pub`
    #[arg(long, value_name = "NAME", default_value = "cosign")]
    output_key_prefix: PathBuf,
    #[command(flatten)]
    everywhere: Everywhere,
}

pub(crate) fn run(args: &Args, ui: &Ui) -> Result<Answer, Failure> {
    let with = |ending: &str| {
        let mut path = args.output_key_prefix.clone().into_os_string();
        path.push(ending);
        PathBuf::from(path)
    };
    let (private, public) = (with(".key"), with(".pub"));
    host::keys::create_pair(&private, &public, &new_password()?)?;
    ui.note(format!("Private key written to {}", private.display()));
    ui.note(format!("Public key written to {}", public.display()));
    let data = json!({"privateKey": private, "publicKey": public});
    Ok(Answer::new(Vec::new(), data))
}

/// Typed, it is asked for twice: nobody sees what they type.
fn new_password() -> Result<Zeroizing<String>, Failure> {
    let is_set = |name: &str| std::env::var_os(name).is_some();
    let variables = [
        "MODELWARD_PASSWORD",
        "MODELWARD_PASSWORD_FILE",
        "COSIGN_PASSWORD",
    ];
    let typed = !variables.into_iter().any(is_set);
    let missing = || {
        let message = "a key is encrypted, and no password was given";
        let way = "set `COSIGN_PASSWORD`, or `MODELWARD_PASSWORD_FILE` to a file that has it";
        Failure::error(Code::PasswordMissing, message, way)
    };
    let first = password()?.ok_or_else(missing)?;
    if typed {
        let again = rpassword::prompt_password("the same again: ").map(Zeroizing::new);
        if again.map_err(|_| missing())? != first {
            let message = "these were two different passwords";
            return Err(Failure::error(
                Code::PasswordWrong,
                message,
                "type it once more",
            ));
        }
    }
    Ok(first)
}
