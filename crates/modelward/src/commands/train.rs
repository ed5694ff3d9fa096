//! `modelward train --input DATASET --name MODEL --to DIR -- COMMAND…`

mod dependencies;
mod limits;
mod reuse;
mod root;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use chain::train::Build;
use digest::Digest;
use host::builder::{self, Expected, Input, Ran, Step, Users};
use host::store::StoreError;
use serde_json::{Value, json};
use trust::artifact::{ArtifactError, FileEntry};
use trust::predicate::{Provenance, ResourceDescriptor};
use trust::{Artifact, Code, Kind, Role, Statement, TreePath};

use limits::Limits as StepLimits;

use crate::answer::{Answer, Failure, allowed};
use crate::cli::Common;
use crate::commands::dataset;
use crate::faults::at;
use crate::interruption;
use crate::release::SigningKey;
use crate::staging::Staging;
use crate::step_lines::{Lines, harmless};
use crate::ui::Ui;
use crate::workspace::{Said, Workspace};

/// Run a training program in a sandbox, and say what went in and came out
///
/// The step sees its inputs under /in, read-only; it leaves the model under /out and its results, such as an accuracy,
/// under /results. It has no network and reaches no key.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: modelward train --input mnist --name digits --to out/digits -- ./digits-train --epochs 1"
)]
pub(crate) struct Args {
    /// A data set of the store; the step finds it under /in/NAME. `NAME=DATASET` gives it another name there
    #[arg(long = "input", value_name = "DATASET", required = true)]
    inputs: Vec<String>,
    /// A model of the store, by its digest, that the step builds on; it finds it under /in/base. `NAME=DIGEST` gives it
    /// another name there
    #[arg(long = "base", value_name = "DIGEST")]
    bases: Vec<String>,
    /// What to call the model
    #[arg(long, value_name = "NAME", value_parser = model_name)]
    name: String,
    /// The folder that the model is written to; it is in the store in any case
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// A program's or library's file or folder of this host that the step sees too, at the same path or at the one after
    /// `=`. Data comes in with `--input`
    #[arg(long = "include", value_name = "PATH[=INSIDE]")]
    included: Vec<String>,
    /// The tree that the step sees as `/`, instead of one made of the program and its libraries: a folder, of which the
    /// store takes a copy once, or the digest of a root that the store has
    #[arg(long, value_name = "DIR|DIGEST", conflicts_with = "included", value_parser = root::choice())]
    root: Option<root::Choice>,
    /// A variable that the step sees
    #[arg(long = "env", value_name = "NAME=VALUE")]
    environment: Vec<String>,
    /// Where the program's source is; without it the git repository of this folder. A user, password, query or fragment in it
    /// is left out, since provenance is for all to read
    #[arg(long, value_name = "URI")]
    source: Option<String>,
    /// The git repository that the program was built from
    #[arg(long, value_name = "DIR")]
    source_folder: Option<PathBuf>,
    #[command(flatten)]
    limits: StepLimits,
    /// Take the model of an earlier run with the same name, command, inputs, program and limits, if there is one
    #[arg(long)]
    reuse: bool,
    #[command(flatten)]
    key: SigningKey,
    /// The program, and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// What the store takes as a name: found out when it is typed, and not after the training.
fn model_name(text: &str) -> Result<String, String> {
    let fits = (1..=255).contains(&text.len()) && !text.chars().any(char::is_control);
    if fits {
        Ok(text.to_owned())
    } else {
        Err("1 to 255 bytes without control characters were expected".to_owned())
    }
}

/// Does the part of one of the builder's own processes, if that is what this process was started for.
pub(crate) fn builder_process() -> Option<ExitCode> {
    let name = std::env::args_os().nth(1)?;
    let name = name.to_str()?;
    builder::SUBCOMMANDS
        .contains(&name)
        .then(|| builder::entry(name))
}

/// Everything about a run that is known before it.
struct Plan {
    name: String,
    step: Step,
    environment: BTreeMap<String, String>,
    source: Option<String>,
    dependencies: Vec<ResourceDescriptor>,
    /// What stands in the step's root.
    root_list: Artifact,
    limits: Value,
    /// Keeps the inputs' links until the run is over.
    _staging: Staging,
}

pub(crate) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let workspace = Workspace::open(common)?;
    // Found out now, and not after hours of training.
    if let Some(folder) = &args.to {
        workspace.check_writable(folder)?;
    }
    let inputs = inputs(args, &workspace)?;
    let artifacts: Vec<Artifact> = inputs.iter().map(|given| given.artifact.clone()).collect();
    let ledger = workspace.ledger()?;
    allowed(chain::train::decide(&ledger, &artifacts)?)?;
    let plan = plan(args, &inputs, &workspace, ui)?;
    let root = std::slice::from_ref(&plan.root_list);
    allowed(chain::train::decide(&ledger, root)?)?;
    if args.reuse
        && let Some((artifact, build)) = reuse::reusable(&plan, &workspace)?
    {
        write_to(args, &artifact, &workspace)?;
        return Ok(answer(&args.name, &artifact, &build, true));
    }
    let key_name = workspace.signer_name(Role::Build, args.key.name())?;
    let key = workspace.builder_key(&key_name, chain::train::WORKSTATION, &ledger)?;
    let users = Users::detect(
        workspace
            .settings
            .builder_uid_base
            .unwrap_or(builder::FIRST_ID),
    )?;
    let mut lines = Lines::new(ui);
    let started = host::clock::now()?;
    let stop = interruption::told();
    let ran = builder::run(&plan.step, &users, Some(&key), stop, &mut |stream, line| {
        lines.show(stream, line)
    });
    lines.finish();
    let mut ran = ran?;
    let statement = statement(&plan, &ran, started)?;
    let bundle = ran.sign(&statement.to_bytes())?;
    let artifact = made(&ran).map_err(StoreError::Artifact)?;
    let path_of = |path: &str| ran.staged().join(path);
    workspace.keep(&args.name, &artifact, &path_of, ui)?;
    // Before the statement that names it: without it no gate could follow a recall.
    workspace.store.put_bytes(&plan.root_list.manifest())?;
    let said = workspace.record::<Provenance>(&bundle)?;
    write_to(args, &artifact, &workspace)
        .map_err(|failure| all_the_same(failure, &artifact, said))?;
    let build = Recorded {
        said,
        isolation: ran.profile.isolation.as_str().to_owned(),
        claims: ran.claims.clone(),
        seconds: ran.seconds,
        cpu_seconds: ran.cpu_seconds,
    };
    Ok(answer(&args.name, &artifact, &build, false))
}

/// What is told of a run.
struct Recorded {
    said: Said,
    isolation: String,
    claims: BTreeMap<String, String>,
    seconds: f64,
    cpu_seconds: f64,
}

fn answer(name: &str, artifact: &Artifact, build: &Recorded, reused: bool) -> Answer {
    let how = if reused {
        "unchanged, reused"
    } else {
        "trained"
    };
    let claims: Vec<String> = build
        .claims
        .iter()
        .map(|(name, value)| format!("{name} {}", harmless(value.trim())))
        .collect();
    let text = [
        format!("{how}: `{name}` {}", artifact.digest()),
        format!("the step claims: {}", claims.join(", ")),
        format!("isolation: {}", build.isolation),
        build.said.to_string(),
    ];
    let outputs: BTreeMap<String, String> = artifact
        .files()
        .iter()
        .map(|(path, file)| (path.to_string(), file.digest.to_string()))
        .collect();
    let data = json!({"model": artifact.digest().to_string(), "outputs": outputs, "claims": build.claims, "reused": reused,
                      "isolation": build.isolation, "seconds": build.seconds, "cpuSeconds": build.cpu_seconds,
                      "builder": chain::train::WORKSTATION, "statement": build.said.data()});
    Answer::new(text, data)
}

/// A data set or base model that the step is given.
struct Given {
    /// Its name under `/in`.
    inside: String,
    /// Its own.
    name: String,
    artifact: Artifact,
}

fn inputs(args: &Args, workspace: &Workspace) -> Result<Vec<Given>, Failure> {
    let split = |word: &str| match word.split_once('=') {
        Some((inside, wanted)) => (Some(inside.to_owned()), wanted.to_owned()),
        None => (None, word.to_owned()),
    };
    let mut inputs = Vec::new();
    for word in &args.inputs {
        let (inside, wanted) = split(word);
        let (name, artifact) = dataset::find(&wanted, workspace)?;
        inputs.push(Given {
            inside: inside.unwrap_or_else(|| name.clone()),
            name,
            artifact,
        });
    }
    for word in &args.bases {
        let (inside, wanted) = split(word);
        let digest = wanted.parse::<Digest>().map_err(|e| {
            Failure::from_error(
                Code::Usage,
                &e,
                "`modelward store list` shows the models' digests",
            )
        })?;
        inputs.push(Given {
            inside: inside.unwrap_or_else(|| "base".to_owned()),
            name: digest.short(),
            artifact: workspace.artifact(digest)?,
        });
    }
    let is_plain = |name: &str| TreePath::new(name).is_ok() && !name.contains('/');
    if let Some(odd) = inputs.iter().find(|given| !is_plain(&given.inside)) {
        let message = format!("`{}` is no name for an input", harmless(&odd.inside));
        return Err(Failure::error(
            Code::Usage,
            message,
            "give it a plain one: `--input NAME=DATASET`",
        ));
    }
    let names: BTreeSet<&String> = inputs.iter().map(|given| &given.inside).collect();
    if names.len() < inputs.len() {
        let hint = "give each its own: `--input NAME=DATASET`";
        return Err(Failure::error(
            Code::Usage,
            "two inputs have one name in the step",
            hint,
        ));
    }
    Ok(inputs)
}

fn plan(args: &Args, inputs: &[Given], workspace: &Workspace, ui: &Ui) -> Result<Plan, Failure> {
    let staging = workspace.staging()?;
    let environment = environment(args)?;
    let (root, command) = root::root(args, workspace, staging.path(), ui)?;
    let program = root::program_in(&root, &command, &environment)?;
    let mut step_inputs = Vec::new();
    for Given {
        inside, artifact, ..
    } in inputs
    {
        let folder = staging.path().join("in").join(inside);
        workspace.lay_out(artifact, &folder)?;
        let files = artifact
            .files()
            .iter()
            .map(|(path, file)| (path.to_string(), file.digest))
            .collect();
        step_inputs.push(Input {
            name: inside.clone(),
            source: folder,
            expected: Expected::Folder(files),
            executable: false,
        });
    }
    let root_list = dependencies::list(&root)?;
    let mut dependencies = dependencies::inside(args, inputs, &root, &root_list, workspace)?;
    dependencies.extend(dependencies::program(args, &program, &root_list));
    dependencies.extend(dependencies::arguments(&command, inputs, &root, &root_list));
    let source = dependencies::source(args, ui);
    dependencies.extend(source.as_ref().and_then(|source| source.dependency()));
    let runs = workspace.store.path().join("runs");
    std::fs::create_dir_all(&runs).map_err(at(&runs))?;
    let step = Step {
        root,
        inputs: step_inputs,
        command,
        env: environment.clone(),
        limits: args.limits.of_step(),
        runs,
    };
    let source = dependencies::named_source(args, ui)
        .or_else(|| source.map(|source| source.uri))
        .filter(|uri| !uri.is_empty());
    Ok(Plan {
        name: args.name.clone(),
        step,
        environment,
        source,
        dependencies,
        root_list,
        limits: args.limits.stated(),
        _staging: staging,
    })
}

fn environment(args: &Args) -> Result<BTreeMap<String, String>, Failure> {
    let mut environment = BTreeMap::from([
        ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("HOME".to_owned(), "/work".to_owned()),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ("MODELWARD_INPUTS".to_owned(), "/in".to_owned()),
        ("MODELWARD_OUTPUTS".to_owned(), "/out".to_owned()),
        ("MODELWARD_RESULTS".to_owned(), "/results".to_owned()),
    ]);
    for word in &args.environment {
        let Some((name, value)) = word.split_once('=') else {
            return Err(Failure::error(
                Code::Usage,
                format!("`{word}` is no variable"),
                "write `--env NAME=VALUE`",
            ));
        };
        environment.insert(name.to_owned(), value.to_owned());
    }
    Ok(environment)
}

fn statement(
    plan: &Plan,
    ran: &Ran,
    started: trust::Time,
) -> Result<Statement<Provenance>, Failure> {
    let outputs: BTreeMap<String, Digest> = ran
        .outputs
        .iter()
        .map(|(name, seen)| (name.clone(), seen.digest))
        .collect();
    let finished = host::clock::now()?;
    let invocation =
        Digest::of(format!("{started} {finished} {:?} {}", outputs, std::process::id()).as_bytes());
    let build = Build {
        name: plan.name.clone(),
        command: plan.step.command.clone(),
        environment: plan.environment.clone(),
        source: plan.source.clone(),
        limits: plan.limits.clone(),
        isolation: ran.profile.isolation,
        sandbox: serde_json::to_value(&ran.profile).unwrap_or_default(),
        cpu_features: host::cpu::features(),
        dependencies: plan.dependencies.clone(),
        outputs,
        claims: ran.claims.clone(),
        invocation_id: format!("urn:modelward:run:{}", invocation.short()),
        started,
        finished,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    chain::train::statement(build).ok_or_else(|| {
        Failure::error(
            Code::OutputRefused,
            "the step left nothing under /out",
            "have it write its model there",
        )
    })
}

/// What the observer measured.
fn made(ran: &Ran) -> Result<Artifact, ArtifactError> {
    let files = ran.outputs.iter().map(|(name, output)| {
        let (digest, size_bytes) = (output.digest, output.size_bytes);
        Ok((TreePath::new(name)?, FileEntry { digest, size_bytes }))
    });
    Artifact::new(Kind::Model, files.collect::<Result<_, _>>()?)
}

/// The step may have taken hours, and is not lost with the folder that its outputs were to be in.
fn all_the_same(failure: Failure, artifact: &Artifact, said: Said) -> Failure {
    let Failure::Error(mut problem) = failure else {
        return failure;
    };
    problem.hint = format!(
        "the step ran, and the model is in the store ({said}): `modelward store get {} --to DIR` writes it elsewhere",
        artifact.digest()
    );
    Failure::Error(problem)
}

fn write_to(args: &Args, artifact: &Artifact, workspace: &Workspace) -> Result<(), Failure> {
    match &args.to {
        Some(folder) => workspace.write_out(artifact, folder),
        None => Ok(()),
    }
}
