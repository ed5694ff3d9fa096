//! `modelward policy check|explain|test|diff|what-if|break-glass`

use std::path::{Path, PathBuf};

use policy::gate::{Place, Policy, scope_rule};
use serde_json::{Value, json};
use trust::Code;

use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::lines::Lines;
use crate::model::unreadable;
use crate::release::{Account, Environment};
use crate::ui::Ui;
use crate::workspace::Workspace;

mod break_glass;
mod diff;
mod explain;
mod test;
pub(crate) mod tree;
mod what_if;

const FILE_SIZE_BYTES_MAX: u64 = 1 << 20;

/// Read, try and explain the gate's own policies (docs/formats/policy.md)
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Read a policy, and say what it requires
    #[command(after_help = "Example: modelward policy check policy.toml")]
    Check {
        /// The policy's file
        file: PathBuf,
    },
    /// Say what a policy decides of a model, requirement by requirement, and the cheapest way to yes
    Explain(explain::Args),
    /// Try policies on the cases beside them: files that end in `.test.toml`
    #[command(after_help = "Example: modelward policy test policies")]
    Test {
        /// The folder of the policies, or one file of cases
        folder: PathBuf,
    },
    /// Say what one policy requires and another does not
    #[command(after_help = "Example: modelward policy diff policy.toml stricter.toml")]
    Diff {
        /// A policy's file
        before: PathBuf,
        /// Another's
        after: PathBuf,
    },
    /// Say what of all that is admitted or deployed now a policy would refuse
    WhatIf(what_if::Args),
    /// Let a model pass requirements of a policy for a while: in an emergency, and told wherever it counts
    BreakGlass(break_glass::Args),
}

pub(crate) fn run(args: Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    match args.action {
        Action::Check { file } => check(&file),
        Action::Explain(args) => explain::run(&args, common, ui),
        Action::Test { folder } => test::run(&folder),
        Action::Diff { before, after } => diff::run(&read(&before)?, &read(&after)?),
        Action::WhatIf(args) => what_if::run(&args, common),
        Action::BreakGlass(args) => break_glass::run(&args, common, ui),
    }
}

/// Reads a policy's file.
pub(crate) fn read(path: &Path) -> Result<Policy, Failure> {
    let bytes =
        host::whole_file::read(path, FILE_SIZE_BYTES_MAX).map_err(|e| unreadable(path, &e))?;
    Ok(Policy::parse(&path.display().to_string(), &bytes)?)
}

fn check(file: &Path) -> Result<Answer, Failure> {
    let policy = read(file)?;
    let mut text = Lines::from(format!(
        "`{}` is a policy: `{}` ({})",
        file.display(),
        policy.name(),
        policy.digest()
    ));
    text.extend(scopes(&policy));
    for (word, asks) in policy.asks() {
        text.push(format!("{word}: {}", asks.join("; ")));
    }
    Ok(Answer::new(text, described(&policy)))
}

/// Where it speaks and how strictly, a line for each scope.
fn scopes(policy: &Policy) -> Vec<String> {
    match policy.scopes() {
        [] => vec![format!("everywhere: {}", policy.mode())],
        scopes => scopes
            .iter()
            .map(|scope| format!("in {scope}: {}", scope.mode))
            .collect(),
    }
}

fn described(policy: &Policy) -> Value {
    let requirement =
        |(word, asks): &(&str, Vec<String>)| json!({"requirement": word, "asks": asks});
    let requirements: Vec<Value> = policy.asks().iter().map(requirement).collect();
    json!({"policy": policy.digest().to_string(), "name": policy.name(), "scopes": scopes(policy), "requirements": requirements})
}

/// Where a model is to run, as far as a policy may ask.
#[derive(Debug, clap::Args)]
pub(crate) struct Somewhere {
    #[command(flatten)]
    environment: Environment,
    #[command(flatten)]
    account: Account,
    #[command(flatten)]
    scopes: Scopes,
}

/// What else is known of where a model is to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Scopes {
    /// Where else it runs, such as `kubernetes.io/pod/namespace/v1=models`; once for each scope
    #[arg(long = "scope", value_name = "TYPE=VALUE", value_parser = scope)]
    scopes: Vec<(String, String)>,
}

impl Scopes {
    pub(crate) const fn is_empty(&self) -> bool {
        self.scopes.is_empty()
    }

    /// The place with this environment and service account.
    pub(crate) fn place(
        &self,
        environment: Option<String>,
        account: Option<String>,
    ) -> Result<Place, Failure> {
        let account =
            account.map(|account| (trust::predicate::GOOGLE_SERVICE_ACCOUNT.to_owned(), account));
        let mut place = Place {
            environment,
            ..Place::default()
        };
        for (scope, value) in account.into_iter().chain(self.scopes.iter().cloned()) {
            let earlier = place.scopes.insert(scope.clone(), value.clone());
            if earlier.is_some_and(|earlier| earlier != value) {
                let message = format!("the scope `{scope}` was given twice, and differently");
                return Err(Failure::error(
                    Code::Usage,
                    message,
                    "give it once; `--service-account` gives one too",
                ));
            }
        }
        Ok(place)
    }
}

impl Somewhere {
    pub(crate) fn place(&self, workspace: &Workspace) -> Result<Place, Failure> {
        self.scopes.place(
            self.environment.name(workspace),
            self.account.name(workspace),
        )
    }
}

fn scope(text: &str) -> Result<(String, String), String> {
    let (scope, value) = text.split_once('=').ok_or("`TYPE=VALUE` is expected")?;
    match scope_rule(scope, value) {
        Some(rule) => Err(rule),
        None => Ok((scope.to_owned(), value.to_owned())),
    }
}
