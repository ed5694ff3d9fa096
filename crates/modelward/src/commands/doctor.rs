//! `modelward doctor`

use std::path::Path;
use std::process::{Command, Stdio};

use digest::Sealed;
use host::builder::{Isolation, Users};
use serde_json::{Value, json};

use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::lines::Lines;
use crate::settings::Settings;
use crate::ui::Ui;

/// Say what this machine can do, and what is weaker where it can't
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward doctor")]
pub(crate) struct Args {}

/// One thing that was tried.
struct Finding {
    name: &'static str,
    good: bool,
    says: String,
    means: &'static str,
}

pub(crate) fn run(_args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let settings = Settings::load(common.settings.as_deref(), None)?;
    let findings = [
        isolation(settings.builder_uid_base.unwrap_or(host::builder::FIRST_ID)),
        sealing(),
        landlock(),
        control_groups(),
        processor(),
        client("npm", "data sets of the npm registry can be fetched"),
        client(
            "git",
            "the commit that a program was built from goes into provenance",
        ),
    ];
    let lines = |finding: &Finding| {
        let word = if finding.good {
            ui.good("yes")
        } else {
            ui.bad("no ")
        };
        [
            format!("{word}  {:18} {}", finding.name, finding.says),
            format!("     {}", finding.means),
        ]
    };
    let text: Lines = findings.iter().flat_map(lines).collect();
    let datum = |finding: &Finding| {
        (
            finding.name.replace(' ', "_"),
            json!({"good": finding.good, "says": finding.says, "means": finding.means}),
        )
    };
    let checks: serde_json::Map<String, Value> = findings.iter().map(datum).collect();
    Ok(Answer::new(
        text,
        json!({"version": env!("CARGO_PKG_VERSION"), "checks": checks}),
    ))
}

fn isolation(first_id: u32) -> Finding {
    let name = "step isolation";
    match Users::detect(first_id).map(|users| users.isolation()) {
        Ok(isolation) => Finding {
            name,
            good: isolation != Isolation::SameUser,
            says: isolation.as_str().to_owned(),
            means: match isolation {
                Isolation::SeparateUsers => "step, observer and signer run as three users",
                Isolation::MappedUsers => {
                    "step, observer and signer run as three ids of this user's range"
                }
                Isolation::SameUser => {
                    "step, observer and signer share one user: provenance says so and no policy takes it for more than Build L1. Install `uidmap` and give this user a range in /etc/subuid"
                }
            },
        },
        Err(e) => Finding {
            name,
            good: false,
            says: e.to_string(),
            means: "no step can be run: user namespaces must be allowed",
        },
    }
}

fn sealing() -> Finding {
    let (name, means) = (
        "sealed memory",
        "a model is loaded from memory that nobody can change",
    );
    match Sealed::fill(&mut &b"modelward"[..], 9) {
        Ok(_) => Finding {
            name,
            good: true,
            says: "memfd with seals".to_owned(),
            means,
        },
        Err(e) => Finding {
            name,
            good: false,
            says: e.to_string(),
            means: "no model can be served",
        },
    }
}

fn landlock() -> Finding {
    let listed = std::fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    let abi = host::builder::landlock_abi();
    Finding {
        name: "landlock",
        good: abi > 0,
        says: if abi > 0 {
            format!("ABI {abi}")
        } else {
            format!("not there ({})", listed.trim())
        },
        means: "one more layer around a step; without it namespaces and the system call filter hold alone",
    }
}

fn control_groups() -> Finding {
    let version = host::builder::cgroup_version();
    Finding {
        name: "control groups",
        good: version.is_some(),
        says: version.map_or_else(
            || "none that can be written".to_owned(),
            |version| format!("{version:?}").to_lowercase(),
        ),
        means: groups_mean(version.is_some(), user_has_scopes()),
    }
}

const fn groups_mean(are_there: bool, has_scopes: bool) -> &'static str {
    if !are_there && has_scopes {
        "the builder looks again and again at a step's memory, and ends what is over; for the kernel to keep it, put `systemd-run --user --scope` before `modelward`"
    } else {
        "the kernel keeps all of a step within its memory; without them the builder looks again and again, and ends what is over"
    }
}

/// Whether systemd can start a program among groups that are this user's own. Root's always are.
fn user_has_scopes() -> bool {
    let bus = std::env::var_os("XDG_RUNTIME_DIR").map(|folder| Path::new(&folder).join("bus"));
    let is_v2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    is_v2 && !rustix::process::geteuid().is_root() && bus.is_some_and(|bus| bus.exists())
}

fn processor() -> Finding {
    Finding {
        name: "processor",
        good: true,
        says: host::cpu::features().join(" "),
        means: "the features that change speed and rounding; training is repeatable among machines with the same",
    }
}

fn client(program: &'static str, means: &'static str) -> Finding {
    let asked = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let says = asked.ok().filter(|output| output.status.success());
    let says = says.map(|output| {
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    });
    Finding {
        name: program,
        good: says.is_some(),
        says: says.unwrap_or_else(|| "not there".to_owned()),
        means,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_named_where_it_would_help() {
        let named = |are_there, has_scopes| groups_mean(are_there, has_scopes).contains("--scope");
        assert!(named(false, true));
        assert!(!named(true, true) && !named(false, false));
    }
}
