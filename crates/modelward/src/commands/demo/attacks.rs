//! The attacks: scripts of `examples/digits/attacks`, each run in a folder of its own on a copy of the chain.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use decode::json::{self, Limits};
use serde::Deserialize;
use serde_json::{Value, json};
use trust::Code;

use super::{PACKAGE, SERVICE_ACCOUNT, Scene};
use crate::answer::Failure;
use crate::faults::at;
use crate::ui::Ui;

/// In the order of the chain.
const NAMES: [&str; 14] = [
    "poisoned-data",
    "step-network",
    "step-steals-key",
    "step-writes-after-exit",
    "hostile-pickle",
    "one-byte",
    "swap-after-admit",
    "other-builder",
    "other-source",
    "staging-for-prod",
    "other-service-account",
    "log-rewritten",
    "recalled-data",
    "expired-root",
];

/// What came of an attack, as its script says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attack {
    pub(super) name: String,
    gate: String,
    code: String,
    pub(super) refused: bool,
    control_allowed: bool,
    /// What was refused.
    says: String,
    /// What today's tools do there.
    today: String,
}

impl Attack {
    /// Whether it was refused, and its control was not.
    pub(super) const fn held(&self) -> bool {
        self.refused && self.control_allowed
    }

    pub(super) fn data(&self) -> Value {
        json!({"name": self.name, "gate": self.gate, "code": self.code, "refused": self.refused,
               "control_allowed": self.control_allowed, "says": self.says, "today": self.today})
    }
}

/// Runs all attacks, one after the other.
pub(super) fn all(scene: &Scene, ui: &Ui) -> Result<Vec<Attack>, Failure> {
    NAMES.iter().map(|name| run(name, scene, ui)).collect()
}

/// Runs one attack.
pub(super) fn run(name: &str, scene: &Scene, ui: &Ui) -> Result<Attack, Failure> {
    if !NAMES.contains(&name) {
        let hint = format!("the attacks are {}", NAMES.join(", "));
        return Err(Failure::error(
            Code::NotFound,
            format!("there is no attack `{name}`"),
            hint,
        ));
    }
    let begun = Instant::now();
    let work = scene.folder.join("attacks").join(name);
    if work.exists() {
        fs::remove_dir_all(&work).map_err(at(&work))?;
    }
    fs::create_dir_all(&work).map_err(at(&work))?;
    let attack = play(name, scene, &work)?;
    let word = if attack.held() {
        ui.good("refused")
    } else {
        ui.bad("PASSED ")
    };
    ui.note(format!(
        "{word} {name:24} by {:8} {:24} {:6.2} s",
        attack.gate,
        attack.code,
        begun.elapsed().as_secs_f64()
    ));
    // What was tried is of no more use, unless it is to be looked into.
    if attack.held() {
        fs::remove_dir_all(&work).map_err(at(&work))?;
    }
    Ok(attack)
}

fn play(name: &str, scene: &Scene, work: &Path) -> Result<Attack, Failure> {
    let script = scene.example.join("attacks").join(format!("{name}.sh"));
    let said = fs::File::create(work.join("said")).map_err(at(work))?;
    let output = Command::new("bash")
        .arg(&script)
        .env("MODELWARD", &scene.modelward)
        .env("DEMO", &scene.folder)
        .env("EXAMPLES", &scene.example)
        .env("ARCHIVE", archive(scene)?)
        .env("TRAINER", scene.programs.join("digits-train"))
        .env("WORK", work)
        .env("PACKAGE", PACKAGE)
        .env("SERVICE_ACCOUNT", SERVICE_ACCOUNT)
        .env_remove("MODELWARD_STORE")
        .current_dir(work)
        .stdin(Stdio::null())
        .stderr(said)
        .output()
        .map_err(at("bash"))?;
    let attack =
        json::from_slice::<Attack>(output.stdout.trim_ascii(), Limits::SMALL).map_err(|e| {
            let message = format!("the attack `{name}` ended without a word: {e}");
            Failure::error(
                Code::Internal,
                message,
                format!("see {}", work.join("said").display()),
            )
        })?;
    if attack.name != name || attack.held() != output.status.success() {
        let message = format!(
            "the attack `{name}` contradicts itself: exit {}",
            output.status
        );
        return Err(Failure::error(
            Code::Internal,
            message,
            format!("see {}", work.join("said").display()),
        ));
    }
    Ok(attack)
}

/// The archive of the data set, as it was fetched and is kept under the digest that the policy names.
fn archive(scene: &Scene) -> Result<std::path::PathBuf, Failure> {
    let file = scene.example.join("policies/dependencies.toml");
    let bytes = fs::read(&file).map_err(at(&file))?;
    let policy = policy::dependency::DependencyPolicy::parse("dependencies.toml", &bytes)?;
    let rule = policy
        .datasets()
        .iter()
        .find_map(|rule| rule.archive.as_ref());
    let digest = rule.map(|archive| archive.digest).ok_or_else(|| {
        Failure::error(
            Code::PolicyInvalid,
            "the example's policy names no archive",
            "",
        )
    })?;
    Ok(scene
        .folder
        .join(".modelward/blobs/sha256")
        .join(digest.hex()))
}

/// The closing table, and an empty line below it.
pub(super) fn table(attacks: &[Attack]) -> Vec<String> {
    let head = format!(
        "{:24} {:8} {:24} {:8} {:8} today",
        "attack", "gate", "code", "refused", "control"
    );
    let row = |attack: &Attack| {
        let word = |yes: bool| if yes { "yes" } else { "NO" };
        let control = if attack.control_allowed {
            "allowed"
        } else {
            "REFUSED"
        };
        format!(
            "{:24} {:8} {:24} {:8} {control:8} {}",
            attack.name,
            attack.gate,
            attack.code,
            word(attack.refused),
            attack.today
        )
    };
    let rows = attacks.iter().map(row);
    [head]
        .into_iter()
        .chain(rows)
        .chain([String::new()])
        .collect()
}
