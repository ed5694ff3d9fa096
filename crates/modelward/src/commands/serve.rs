//! `modelward serve MODEL --http ADDR`, and `modelward serve --role log`

mod log;
mod witness;

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chain::serve::Started;
use digest::{Digest, Listing, Sealed};
use host::predictions::{Prediction, Record};
use infer::Model;
use serde_json::json;
use server::inference::{Hooks, Limits, PredictionRecord, Serving};
use trust::{Artifact, Code, Denied, Kind, Reason};

use crate::answer::{Answer, Failure, allowed};
use crate::cli::Common;
use crate::faults::at;
use crate::model::{default_ignored, name_of, unreadable};
use crate::release::{Destination, SigningKey};
use crate::ui::Ui;
use crate::whole_number::{MEMORY_MIB_MAX, within};
use crate::workspace::Workspace;

const ARCHITECTURE: &str = "architecture.json";
const WEIGHTS_ENDING: &str = ".safetensors";
const MIB: u64 = 1 << 20;
/// Time alone can end a root's validity: so often everything is asked again though nothing was recorded.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// Serve an admitted model: its bytes are sealed in memory, then hashed, then loaded from there; or a log, or be a witness
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: modelward serve out/digits --environment prod --service-account digits@example"
)]
pub(crate) struct Args {
    /// The model: a folder, or a digest in the store
    #[arg(required_unless_present = "role")]
    model: Option<String>,
    /// What is served
    #[arg(long, value_enum, default_value_t = Role::Model, hide_default_value = true)]
    role: Role,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    http: SocketAddr,
    #[command(flatten)]
    destination: Destination,
    /// What the model is called in URLs; its architecture's name by default
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The most memory that the model may take, in MiB; at most 16777216
    #[arg(long, value_name = "MIB", default_value_t = 4096, value_parser = within(0..=MEMORY_MIB_MAX))]
    memory: u64,
    #[command(flatten)]
    key: SigningKey,
    #[command(flatten)]
    log: log::LogArgs,
    #[command(flatten)]
    witness: witness::WitnessArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Role {
    /// One admitted model; the default
    Model,
    /// A log, as C2SP's tlog-tiles
    Log,
    /// A witness, who cosigns heads of the trust root's logs
    Witness,
}

/// The two files that make a model, sealed, and the artifact that they belong to.
struct Loaded {
    artifact: Artifact,
    weights: (String, Sealed),
    architecture: (String, Sealed),
}

pub(crate) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    match (&args.model, args.role) {
        (None, Role::Log) if !args.witness.is_meant() => log::run(&args.log, args.http, common, ui),
        (None, Role::Witness) if !args.log.is_meant() => {
            witness::run(&args.witness, args.http, common, ui)
        }
        (Some(model), Role::Model) if !args.log.is_meant() && !args.witness.is_meant() => {
            run_model(args, model, common, ui)
        }
        (_, role) => {
            let message = "what was said belongs to different roles";
            let hint = match role {
                Role::Model => {
                    "name a model and nothing of a log or a witness, or say which `--role` is meant"
                }
                Role::Log | Role::Witness => {
                    "leave out the model, and what belongs to another role"
                }
            };
            Err(Failure::error(Code::Usage, message, hint))
        }
    }
}

fn run_model(args: &Args, model: &str, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let workspace = Workspace::open(common)?;
    let place = args.destination.place(&workspace)?;
    let size_bytes_max = args.memory * MIB;
    // (1) Read once, into memory that nobody can change; from here on no path is looked at.
    let loaded = load(model, &workspace, size_bytes_max)?;
    // (2) What was sealed is what was admitted, for this place, and nothing of it recalled.
    let ledger = workspace.ledger()?;
    let verdict = chain::serve::decide(&ledger, &loaded.artifact, &place, workspace.now)?;
    let admission = allowed(verdict)?;
    let manifest = loaded.artifact.manifest();
    let join = |(name, sealed): (String, Sealed)| {
        trust::verify_sealed(&admission.statement, &manifest, &name, sealed)
            .map_err(|reason| Failure::from(Denied::because(reason)))
    };
    let (weights, architecture) = (join(loaded.weights)?, join(loaded.architecture)?);
    // What deciding took is not needed beside the model.
    host::memory::give_back();
    // (3) Parsed from the very bytes that were checked.
    let model = Model::load(&weights, &architecture).map_err(|e| {
        Failure::from_error(
            Code::ModelInvalid,
            &e,
            "scan the model: `modelward scan` says more",
        )
    })?;
    drop((weights, architecture));
    let name = args.name.clone().unwrap_or_else(|| model.name().to_owned());
    let bundle = admission.statement.proof().bundle;
    let statement = chain::serve::statement(&name, &loaded.artifact, bundle, workspace.now);
    let listener = log::listen(args.http)?;
    let said = args.key.say(&statement, &workspace)?;
    let started = Started {
        admission: bundle,
        serving: said.bundle,
    };
    let session = statement.predicate.session;
    let record =
        Record::begin(workspace.store.path(), &session).map_err(at(workspace.store.path()))?;
    let address = listener.local_addr().map_err(at(args.http.to_string()))?;
    let told = announcement(ui, &name, &loaded.artifact, address, &said, &session);
    let serving = Serving {
        name,
        version: "1".to_owned(),
        model: Arc::new(model),
        model_digest: loaded.artifact.digest(),
        admission: bundle,
        session,
    };
    let hooks = Hooks {
        record: Box::new(move |prediction| record.add(&line(prediction))),
        recalled: recalled(common.clone(), loaded.artifact, started),
    };
    server::inference::serve(
        listener,
        serving,
        hooks,
        Limits::default(),
        interrupted(&told),
    )
    .map_err(|e| {
        Failure::from_error(
            Code::Network,
            &e,
            "is the address free, and may this user listen on it?",
        )
    })?;
    // Where it was is its answer; that it ended is for whoever watches.
    ui.note(format!("stopped serving on http://{address}"));
    Ok(Answer::printed())
}

fn announcement(
    ui: &Ui,
    name: &str,
    artifact: &Artifact,
    address: SocketAddr,
    said: &crate::workspace::Said,
    session: &str,
) -> String {
    if ui.json {
        let line = json!({"result": "allowed", "serving": name, "model": artifact.digest().to_string(),
                          "address": address.to_string(), "session": session, "statement": said.data()});
        line.to_string()
    } else {
        format!(
            "serving `{name}` {} on http://{address}, session {session}",
            artifact.digest()
        )
    }
}

/// The line that is kept of a prediction.
fn line(prediction: &PredictionRecord) -> Prediction {
    let classes: Vec<String> = prediction.classes.iter().map(ToString::to_string).collect();
    Prediction {
        id: prediction.id.clone(),
        at: host::clock::now().unwrap_or(trust::Time::from_unix(0)),
        route: prediction.protocol.as_str().to_owned(),
        answer: classes.join(","),
        input: prediction.input.to_string(),
        output: prediction.output.to_string(),
    }
}

/// What the log and the trust root said when they were asked last.
struct Asked {
    checkpoint: Option<String>,
    root: Digest,
    at: Instant,
    reason: Option<Reason>,
}

/// Asks the log whether the model was recalled: whenever the log has grown or the trust root has changed, and now and then
/// besides.
fn recalled(
    common: Common,
    artifact: Artifact,
    started: Started,
) -> Box<server::inference::RecalledHook> {
    let last: Mutex<Option<Asked>> = Mutex::new(None);
    Box::new(move || {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let workspace = Workspace::open(&common).map_err(|e| told(&e))?;
        let checkpoint = workspace.checkpoint().map_err(|e| told(&e))?;
        if let Some(asked) = last.as_ref()
            && asked.checkpoint == checkpoint
            && asked.root == workspace.root.digest()
            && asked.at.elapsed() < ASK_AGAIN
        {
            return Ok(asked.reason.clone());
        }
        let ledger = workspace.ledger().map_err(|e| told(&e))?;
        let reason =
            chain::serve::withdrawn(&ledger, &artifact, started).map_err(|e| e.to_string())?;
        *last = Some(Asked {
            checkpoint,
            root: workspace.root.digest(),
            at: Instant::now(),
            reason: reason.clone(),
        });
        Ok(reason)
    })
}

fn told(failure: &Failure) -> String {
    match failure {
        Failure::Denied(denied) => denied
            .reasons()
            .map(|reason| reason.message.clone())
            .collect::<Vec<_>>()
            .join("; "),
        Failure::Error(problem) => problem.message.clone(),
    }
}

/// Waits for a signal to stop. What is `told` is printed when signals are heard, not before: whoever reads it may
/// stop the server at once, and it ends as it should.
async fn interrupted(told: &str) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminated), Ok(mut interrupted)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return;
    };
    crate::answer::say(told);
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
}

fn load(word: &str, workspace: &Workspace, size_bytes_max: u64) -> Result<Loaded, Failure> {
    match word.parse::<Digest>() {
        Ok(digest) => load_stored(workspace.artifact(digest)?, workspace, size_bytes_max),
        Err(_) => load_folder(Path::new(word), size_bytes_max),
    }
}

fn load_stored(
    artifact: Artifact,
    workspace: &Workspace,
    size_bytes_max: u64,
) -> Result<Loaded, Failure> {
    let names: Vec<String> = artifact.files().keys().map(ToString::to_string).collect();
    let (weights, architecture) = parts(&names)?;
    let open = |name: &str| -> Result<File, Failure> {
        let file = artifact.files().get(name);
        let file = file.ok_or_else(|| no_parts(&names))?;
        Ok(workspace.store.open_blob(file.digest)?)
    };
    let weights_sealed = seal(&mut open(&weights)?, &weights, size_bytes_max)?;
    let architecture_sealed = seal(&mut open(&architecture)?, &architecture, MIB)?;
    Ok(Loaded {
        artifact,
        weights: (weights, weights_sealed),
        architecture: (architecture, architecture_sealed),
    })
}

/// Each file of the folder is opened once: what makes the model is sealed, what lies beside it is measured.
fn load_folder(folder: &Path, size_bytes_max: u64) -> Result<Loaded, Failure> {
    let ignored = default_ignored();
    let names = digest::names(folder, &|name| {
        ignored.iter().any(|ignored| ignored == name)
    })?;
    name_of(folder)?;
    let (weights, architecture) = parts(&names)?;
    let mut listing = Listing::new();
    for name in names
        .iter()
        .filter(|name| **name != weights && **name != architecture)
    {
        listing.insert(name, digest::measure_file(&folder.join(name))?);
    }
    let open = |name: &str| digest::open_file(&folder.join(name)).map_err(Failure::from);
    let weights_sealed = seal(&mut open(&weights)?, &weights, size_bytes_max)?;
    let architecture_sealed = seal(&mut open(&architecture)?, &architecture, MIB)?;
    listing.insert(&weights, weights_sealed.measured());
    listing.insert(&architecture, architecture_sealed.measured());
    let artifact = Artifact::from_listing(Kind::Model, &listing)
        .map_err(|e| Failure::from_error(Code::ModelInvalid, &e, "is this the model's folder?"))?;
    Ok(Loaded {
        artifact,
        weights: (weights, weights_sealed),
        architecture: (architecture, architecture_sealed),
    })
}

fn seal(file: &mut File, name: &str, size_bytes_max: u64) -> Result<Sealed, Failure> {
    Sealed::fill(file, size_bytes_max).map_err(|e| match &e {
        digest::SealError::TooLarge { .. } => {
            let size_bytes = file.metadata().map_or(0, |metadata| metadata.len());
            let message =
                format!("`{name}` has {size_bytes} bytes, and {size_bytes_max} are allowed");
            Failure::error(Code::TooLarge, message, "allow more with `--memory`")
        }
        digest::SealError::Fill(cause) => unreadable(&PathBuf::from(name), cause),
        digest::SealError::Unsupported(_) => Failure::from_error(
            Code::SealUnavailable,
            &e,
            "`modelward doctor` says what the machine lacks",
        ),
    })
}

/// The names of the weights and the architecture among a model's files.
fn parts(names: &[String]) -> Result<(String, String), Failure> {
    let weights: Vec<&String> = names
        .iter()
        .filter(|name| name.ends_with(WEIGHTS_ENDING))
        .collect();
    let architecture = names.iter().find(|name| *name == ARCHITECTURE);
    match (weights.as_slice(), architecture) {
        ([weights], Some(architecture)) => Ok(((*weights).clone(), architecture.clone())),
        _ => Err(no_parts(names)),
    }
}

fn no_parts(names: &[String]) -> Failure {
    let message = format!(
        "one `*{WEIGHTS_ENDING}` and `{ARCHITECTURE}` were expected, and there is {}",
        names.join(", ")
    );
    Failure::error(
        Code::ModelInvalid,
        message,
        "docs/formats/architecture.md says what a model is made of",
    )
}
