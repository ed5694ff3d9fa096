//! Settings: a flag, else the environment, else the file, else the default. Unknown keys are errors.

use std::path::Path;

use serde::Deserialize;
use trust::Code;

use crate::answer::Failure;
use crate::faults::disk_way;

/// The file that is looked for beside the store's folder.
pub(crate) const FILE_NAME: &str = "modelward.toml";
const SIZE_BYTES_MAX: u64 = 64 * 1024;
/// As long as the evidence that an admission rests on counts: what is let in for longer is asked about no more.
const ADMISSION_SECONDS_MAX: i64 = crate::commands::admit::EVIDENCE_AGE_SECONDS_MAX;

/// Three ids in a row; the last id of all means that none is meant.
const UID_BASE_MAX: u32 = u32::MAX - 3;

/// Every environment variable that Modelward reads, and what it is for.
pub(crate) const VARIABLES: &[(&str, &str)] = &[
    (
        "MODELWARD_STORE",
        "the folder whose store is used, as `--store`",
    ),
    ("MODELWARD_SETTINGS", "the settings file, as `--settings`"),
    (
        "MODELWARD_ENVIRONMENT",
        "the environment, as `--environment`",
    ),
    (
        "MODELWARD_SERVICE_ACCOUNT",
        "the service account, as `--service-account`",
    ),
    ("MODELWARD_PACKAGE", "the package, as `--package`"),
    (
        "MODELWARD_PASSWORD",
        "the password of the key that signs; it is trusted to nobody but this process",
    ),
    (
        "MODELWARD_PASSWORD_FILE",
        "a file whose first line is that password; only its owner may read it",
    ),
    (
        "COSIGN_PASSWORD",
        "that password too, where neither of the two above is set",
    ),
    (
        "MODELWARD_PIN",
        "the PIN of a token that signs; without it there is a prompt",
    ),
    ("NO_COLOR", "no colour, if it is not empty"),
    (
        "SIGSTORE_ID_TOKEN",
        "the identity token that signs keylessly, where none is named",
    ),
    ("GITHUB_ACTIONS", "set where GitHub Actions may give one"),
    (
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "where GitHub Actions gives it",
    ),
    ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "and what it asks for"),
    ("GCE_METADATA_HOST", "where Google Cloud gives one"),
    ("GOOGLE_SERVICE_ACCOUNT_NAME", "and for whom"),
    ("BUILDKITE", "set where Buildkite gives one"),
    ("GITLAB_CI", "set where GitLab may give one"),
    ("CIRCLECI", "set where CircleCI gives one"),
    ("DISPLAY", "set where a browser can be opened to sign in"),
    ("WAYLAND_DISPLAY", "as that one"),
    (
        "SSL_CERT_FILE",
        "the authorities of HTTPS (PEM), instead of the system's",
    ),
    (
        "XDG_DATA_HOME",
        "where the refreshed root of the public Sigstore is kept",
    ),
    ("HOME", "without that one, its `.local/share`"),
    (
        "SUDO_UID",
        "who calls through `sudo`: the nearest store may be theirs",
    ),
];

/// What the file may set. Each is trusted as its flag is: whoever can change the file can choose what is asked for, and
/// not what a gate demands.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The environment that `publish`, `admit` and `serve` mean.
    pub(crate) environment: Option<String>,
    /// The service account that `admit` and `serve` mean.
    pub(crate) service_account: Option<String>,
    /// The package that `publish`, `deploy` and `admit` mean.
    pub(crate) package: Option<String>,
    /// How many seconds an admission holds.
    pub(crate) admission_seconds: Option<i64>,
    /// The first of the user ids that the builder's processes get when it runs as root.
    pub(crate) builder_uid_base: Option<u32>,
}

const KEYS: [&str; 5] = [
    "environment",
    "service_account",
    "package",
    "admission_seconds",
    "builder_uid_base",
];

impl Settings {
    /// Reads the file that was named, or the one beside the store if there is one.
    pub(crate) fn load(named: Option<&Path>, folder: Option<&Path>) -> Result<Self, Failure> {
        let beside = folder
            .map(|folder| folder.join(FILE_NAME))
            .filter(|path| path.exists());
        match named.map(Path::to_path_buf).or(beside) {
            Some(path) => Self::read(&path),
            None => Ok(Self::default()),
        }
    }

    fn read(path: &Path) -> Result<Self, Failure> {
        let invalid = |problem: String| {
            let message = format!("`{}` can't be used: {problem}", path.display());
            Failure::error(Code::SettingsInvalid, message, hint(&problem))
        };
        let text =
            host::named_file::read_text(path, SIZE_BYTES_MAX).map_err(|e| unread(path, &e))?;
        let settings: Self =
            toml::from_str(&text).map_err(|e| invalid(trust::toml_cause(&text, &e)))?;
        let refused = |what: String, hint: &str| {
            let message = format!("`{}` can't be used: {what}", path.display());
            Err(Failure::error(Code::SettingsInvalid, message, hint))
        };
        if let Some(name) = settings.empty() {
            let what = format!("`{name}` is empty");
            return refused(what, "leave it out, or say what is meant");
        }
        if let Some(seconds) = settings.admission_seconds
            && !(1..=ADMISSION_SECONDS_MAX).contains(&seconds)
        {
            let what = format!(
                "`admission_seconds` is {seconds}, and an admission holds from 1 to {ADMISSION_SECONDS_MAX} seconds, 90 days"
            );
            let hint = "admit again now and then: `modelward admit` asks what is known by then";
            return refused(what, hint);
        }
        if let Some(base) = settings.builder_uid_base
            && !(1..=UID_BASE_MAX).contains(&base)
        {
            let what = format!(
                "`builder_uid_base` is {base}, and the builder's three ids begin from 1 to {UID_BASE_MAX}"
            );
            return refused(
                what,
                "leave it out, or name three ids in a row that belong to nobody",
            );
        }
        Ok(settings)
    }
}

impl Settings {
    /// A name that is there and says nothing.
    fn empty(&self) -> Option<&'static str> {
        let names = [
            ("environment", &self.environment),
            ("service_account", &self.service_account),
            ("package", &self.package),
        ];
        let empty = names
            .into_iter()
            .find(|(_, value)| value.as_deref() == Some(""));
        empty.map(|(name, _)| name)
    }
}

fn unread(path: &Path, cause: &std::io::Error) -> Failure {
    let message = format!("`{}` can't be read: {cause}", path.display());
    Failure::error(Code::SettingsInvalid, message, disk_way(cause))
}

/// The setting that an unknown one was probably meant to be.
fn hint(problem: &str) -> String {
    let unknown = problem
        .split("unknown field `")
        .nth(1)
        .and_then(|rest| rest.split('`').next());
    let likeness = |key: &&str| unknown.map_or(0.0, |word| strsim::jaro_winkler(key, word));
    let nearest = KEYS
        .into_iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest.filter(|key| likeness(key) > 0.7) {
        Some(key) => format!("did you mean `{key}`?"),
        None => format!("the settings are {}", KEYS.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_setting_is_offered() {
        assert_eq!(
            hint("unknown field `enviroment`, expected"),
            "did you mean `environment`?"
        );
        assert!(hint("unknown field `zzz`").starts_with("the settings are"));
        for key in KEYS {
            assert!(
                toml::from_str::<Settings>(&format!("{key} = \"1\"")).is_ok()
                    || toml::from_str::<Settings>(&format!("{key} = 1")).is_ok(),
                "{key}"
            );
        }
    }
}
