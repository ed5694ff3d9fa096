//! What is asked about a model on its way out of the store: which one, as which package, and for where. `publish`, `deploy`,
//! `admit` and `serve` share these arguments. Each is a flag, else a variable, else a setting.

use std::path::Path;

use chain::serve::Place;
use clap::builder::NonEmptyStringValueParser;
use digest::Digest;
use trust::{Artifact, Code};

use crate::answer::Failure;
use crate::model;
use crate::ui::Ui;
use crate::workspace::{Said, Workspace};

/// What is left out of a model's folder is this to a gate.
pub(crate) const NO_PART: &str = "no part of this model";

/// A model and the package that it is, or is to be, published as.
#[derive(Debug, clap::Args)]
pub(crate) struct Release {
    /// The model: a folder, a file, or a digest in the store
    model: String,
    /// The package that it is published as, such as `registry.example/team/digits`
    #[arg(
        long,
        value_name = "NAME",
        env = "MODELWARD_PACKAGE",
        hide_env_values = true,
        value_parser = NonEmptyStringValueParser::new()
    )]
    package: Option<String>,
}

impl Release {
    pub(crate) fn package(&self, workspace: &Workspace) -> Result<String, Failure> {
        let named = self.package.clone();
        named
            .or_else(|| workspace.settings.package.clone())
            .ok_or_else(|| unsaid("package", "--package", "MODELWARD_PACKAGE"))
    }

    pub(crate) fn artifact(&self, workspace: &Workspace, ui: &Ui) -> Result<Artifact, Failure> {
        Ok(model::artifact(&self.model, workspace, ui)?.1)
    }

    /// What lies in its folder, and is no part of the model that was looked at.
    pub(crate) fn left_out(&self) -> Vec<String> {
        match self.model.parse::<Digest>() {
            Ok(_) => Vec::new(),
            Err(_) => model::left_out(Path::new(&self.model), &model::default_ignored()),
        }
    }
}

/// An environment's name, which not every question needs.
#[derive(Debug, clap::Args)]
pub(crate) struct Environment {
    /// The environment that it is for
    #[arg(
        long,
        value_name = "NAME",
        env = "MODELWARD_ENVIRONMENT",
        hide_env_values = true,
        value_parser = NonEmptyStringValueParser::new()
    )]
    environment: Option<String>,
}

impl Environment {
    pub(crate) fn name(&self, workspace: &Workspace) -> Option<String> {
        let named = self.environment.clone();
        named.or_else(|| workspace.settings.environment.clone())
    }

    pub(crate) fn required(&self, workspace: &Workspace) -> Result<String, Failure> {
        let name = self.name(workspace);
        name.ok_or_else(|| unsaid("environment", "--environment", "MODELWARD_ENVIRONMENT"))
    }
}

/// Where a model runs, and as whom.
#[derive(Debug, clap::Args)]
pub(crate) struct Destination {
    #[command(flatten)]
    environment: Environment,
    #[command(flatten)]
    account: Account,
}

/// A service account's name, which not every question needs.
#[derive(Debug, clap::Args)]
pub(crate) struct Account {
    /// As whom it runs
    #[arg(
        long,
        value_name = "NAME",
        env = "MODELWARD_SERVICE_ACCOUNT",
        hide_env_values = true,
        value_parser = NonEmptyStringValueParser::new()
    )]
    service_account: Option<String>,
}

impl Account {
    pub(crate) fn name(&self, workspace: &Workspace) -> Option<String> {
        let named = self.service_account.clone();
        named.or_else(|| workspace.settings.service_account.clone())
    }
}

impl Destination {
    pub(crate) fn place(&self, workspace: &Workspace) -> Result<Place, Failure> {
        let account = self.account.name(workspace);
        Ok(Place {
            environment: self.environment.required(workspace)?,
            service_account: account.ok_or_else(|| {
                unsaid(
                    "service_account",
                    "--service-account",
                    "MODELWARD_SERVICE_ACCOUNT",
                )
            })?,
        })
    }
}

/// Who says what comes of it.
#[derive(Debug, clap::Args)]
pub(crate) struct SigningKey {
    /// The key that signs
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
}

impl SigningKey {
    pub(crate) fn name(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Signs and records a statement as this key, or as the only one here that may say it.
    pub(crate) fn say<P: trust::Predicate>(
        &self,
        statement: &trust::Statement<P>,
        workspace: &Workspace,
    ) -> Result<Said, Failure> {
        workspace.say(statement, &workspace.signer(P::ROLE, self.name())?)
    }

    /// As [`Self::say`], of a statement over many files.
    pub(crate) fn say_long<P: trust::Predicate>(
        &self,
        statement: trust::Statement<P>,
        workspace: &Workspace,
    ) -> Result<(Said, trust::Verified<trust::Statement<P>>), Failure> {
        workspace.say_long(statement, &workspace.signer(P::ROLE, self.name())?)
    }
}

fn unsaid(setting: &str, flag: &str, variable: &str) -> Failure {
    let hint =
        format!("give it with `{flag}`, in {variable}, or as `{setting}` in `modelward.toml`");
    Failure::error(
        Code::Usage,
        format!("no {} was given", setting.replace('_', " ")),
        hint,
    )
}
