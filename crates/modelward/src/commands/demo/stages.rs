//! The stages, each by a process of its own that was started as a person would.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use trust::code::Kind;
use trust::{Code, Denied, Reason};

use super::{PACKAGE, SERVICE_ACCOUNT, SOURCE, Scene, measure};
use crate::answer::Failure;
use crate::faults::at;
use crate::lines::Lines;
use crate::ui::Ui;

/// A stage that was run.
pub(super) struct Done {
    name: &'static str,
    digest: String,
    seconds: f64,
}

impl Done {
    pub(super) fn data(&self) -> Value {
        json!({"name": self.name, "digest": self.digest, "seconds": self.seconds})
    }
}

/// All stages, and what the server answered on the test pictures.
pub(super) struct Stages {
    pub(super) done: Vec<Done>,
    pub(super) accuracy: f64,
}

/// Runs the chain from the data set to predictions and back.
pub(super) fn run(scene: &Scene, ui: &Ui) -> Result<Stages, Failure> {
    if !scene.folder.join(".modelward/trust.toml").exists() {
        ask(scene, &["store", "init"])?;
        ask(scene, &["key", "new", "laptop"])?;
    }
    let policies = |name: &str| {
        scene
            .example
            .join("policies")
            .join(name)
            .display()
            .to_string()
    };
    let trainer = scene.programs.join("digits-train").display().to_string();
    let model = "out/digits";
    let mut run = Runner {
        scene,
        ui,
        done: Vec::new(),
    };
    run.stage(
        "dataset",
        "dataset",
        &[
            "dataset",
            "add",
            "mnist",
            "--policy",
            &policies("dependencies.toml"),
        ],
    )?;
    let source_folder = scene.example.display().to_string();
    let trained = run.stage(
        "train",
        "model",
        &[
            "train",
            "--input",
            "mnist",
            "--name",
            "digits",
            "--to",
            model,
            "--source",
            SOURCE,
            "--source-folder",
            &source_folder,
            "--reuse",
            "--cpu",
            "1200",
            "--memory",
            "4096",
            "--",
            &trainer,
            "--seed",
            "1",
        ],
    )?;
    run.stage("scan", "model", &["scan", model])?;
    run.stage("sign", "model", &["sign", model])?;
    run.stage("verify", "model", &["verify", model])?;
    for environment in ["staging", "prod"] {
        let publish = [
            "publish",
            model,
            "--package",
            PACKAGE,
            "--environment",
            environment,
            "--policies",
            &policies("publish"),
        ];
        run.stage(
            if environment == "prod" {
                "publish"
            } else {
                "publish-staging"
            },
            "model",
            &publish,
        )?;
    }
    run.stage(
        "deploy",
        "model",
        &[
            "deploy",
            model,
            "--package",
            PACKAGE,
            "--policies",
            &policies("deployment"),
            "--policy",
            "servers-prod.json",
        ],
    )?;
    run.stage(
        "admit",
        "model",
        &[
            "admit",
            model,
            "--package",
            PACKAGE,
            "--environment",
            "prod",
            "--service-account",
            SERVICE_ACCOUNT,
        ],
    )?;
    let (accuracy, prediction) = serve(&mut run, model)?;
    check_claim(&trained, accuracy)?;
    run.stage("audit", "digest", &["audit", &prediction])?;
    let picture = text(scene, &["audit", &prediction])?;
    ui.note(indented(&picture));
    Ok(Stages {
        done: run.done,
        accuracy,
    })
}

struct Runner<'a> {
    scene: &'a Scene,
    ui: &'a Ui,
    done: Vec<Done>,
}

impl Runner<'_> {
    fn stage(
        &mut self,
        name: &'static str,
        digest: &str,
        arguments: &[&str],
    ) -> Result<Value, Failure> {
        let begun = Instant::now();
        let answer = ask(self.scene, arguments)?;
        let digest = answer
            .get(digest)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let reused = answer.get("reused") == Some(&Value::Bool(true));
        self.tell(
            name,
            digest,
            begun,
            if reused { "unchanged, reused" } else { "" },
        );
        Ok(answer)
    }

    fn tell(&mut self, name: &'static str, digest: String, begun: Instant, remark: &str) {
        let seconds = begun.elapsed().as_secs_f64();
        let short: String = digest.chars().take(19).collect();
        self.ui.note(format!(
            "{} {name:16} {short}  {seconds:7.2} s  {remark}",
            self.ui.good("yes")
        ));
        self.done.push(Done {
            name,
            digest,
            seconds,
        });
    }
}

/// Starts the server, has a picture classified by the example's client, then all test pictures by the Open Inference
/// Protocol. Comes back with the accuracy and the first prediction's id.
fn serve(run: &mut Runner<'_>, model: &str) -> Result<(f64, String), Failure> {
    let begun = Instant::now();
    let scene = run.scene;
    let arguments = [
        "serve",
        model,
        "--http",
        "127.0.0.1:0",
        "--environment",
        "prod",
        "--service-account",
        SERVICE_ACCOUNT,
    ];
    let mut server = Server::start(scene, &arguments)?;
    let data = scene.folder.join("test-data");
    ask(
        scene,
        &["store", "get", "mnist", "--to", &data.display().to_string()],
    )?;
    let prediction = classify(scene, &data, &server.address, run.ui)?;
    let accuracy = measure::accuracy(&server.address, "digits", &data, run.ui)?;
    let digest = server.model.clone();
    server.stop()?;
    run.tell("serve", digest, begun, "");
    Ok((accuracy, prediction))
}

/// A server that is running; it is ended with whatever holds it.
struct Server {
    process: Child,
    address: String,
    model: String,
}

impl Server {
    fn start(scene: &Scene, arguments: &[&str]) -> Result<Self, Failure> {
        let mut process = command(scene, arguments)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(at(&scene.modelward))?;
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut line)
                .map_err(at(&scene.modelward))?;
        }
        let answer: Value = serde_json::from_str(&line).unwrap_or_default();
        let text = |name: &str| {
            answer
                .get(name)
                .and_then(Value::as_str)
                .map(ToOwned::to_owned)
        };
        match (text("address"), text("model")) {
            (Some(address), Some(model)) => Ok(Self {
                process,
                address,
                model,
            }),
            _ => {
                process.wait().map_err(at(&scene.modelward))?;
                Err(refused(&answer, arguments))
            }
        }
    }

    fn stop(&mut self) -> Result<(), Failure> {
        if let Some(process) = Pid::from_raw(i32::try_from(self.process.id()).unwrap_or_default()) {
            // One that has ended already needs no signal.
            let _ = kill_process(process, Signal::TERM);
        }
        self.process.wait().map_err(at(&self.address))?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// Shows a digit, and has the example's client ask what it is.
fn classify(scene: &Scene, data: &Path, address: &str, ui: &Ui) -> Result<String, Failure> {
    let picture = scene.folder.join("digit.png");
    let shown = output(
        Command::new(scene.programs.join("digits-picture"))
            .arg(data.join("t10k-images-idx3-ubyte"))
            .args(["0", "--show", "--output"])
            .arg(&picture),
    )?;
    ui.note(indented(&shown));
    let said = output(
        Command::new(scene.programs.join("digits-classify"))
            .arg(format!("http://{address}"))
            .arg(&picture),
    )?;
    ui.note(indented(&said));
    let id = said
        .lines()
        .find_map(|line| line.strip_prefix("prediction "));
    id.map(|id| id.trim().to_owned())
        .ok_or_else(|| Failure::error(Code::Network, "the server named no prediction", ""))
}

/// What the step claimed and what was measured must be the same.
fn check_claim(trained: &Value, accuracy: f64) -> Result<(), Failure> {
    let claim = trained
        .get("claims")
        .and_then(|claims| claims.get("accuracy"))
        .and_then(Value::as_str);
    let claimed = claim
        .and_then(|claim| claim.trim().parse::<f64>().ok())
        .unwrap_or_default();
    if (claimed - accuracy).abs() < 0.000_5 {
        return Ok(());
    }
    let message = format!(
        "the step claimed an accuracy of {claimed}, and the server answers with {accuracy}"
    );
    Err(Failure::error(Code::Internal, message, "please report it"))
}

/// Runs a command of ours and reads its answer.
fn ask(scene: &Scene, arguments: &[&str]) -> Result<Value, Failure> {
    let output = command(scene, arguments)
        .stdout(Stdio::piped())
        .spawn()
        .and_then(Child::wait_with_output)
        .map_err(at(&scene.modelward))?;
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    if output.status.success() {
        Ok(answer)
    } else {
        Err(refused(&answer, arguments))
    }
}

fn text(scene: &Scene, arguments: &[&str]) -> Result<String, Failure> {
    output(
        Command::new(&scene.modelward)
            .args(arguments)
            .arg("--store")
            .arg(&scene.folder)
            .current_dir(&scene.folder),
    )
}

fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| {
            let program = command.get_program().to_string_lossy().into_owned();
            Failure::error(
                Code::NotFound,
                format!("`{program}` can't be run: {e}"),
                "run `make demo`, which builds it",
            )
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned());
    }
    let program = command.get_program().to_string_lossy().into_owned();
    Err(Failure::error(
        Code::Network,
        format!("`{program}` failed"),
        "see what it said above",
    ))
}

fn command(scene: &Scene, arguments: &[&str]) -> Command {
    let mut command = Command::new(&scene.modelward);
    // Ours are the flags before `--`: what stands after it is the step's.
    let at = arguments
        .iter()
        .position(|argument| *argument == "--")
        .unwrap_or(arguments.len());
    let (ours, step) = arguments.split_at(at);
    command
        .args(ours)
        .arg("--json")
        .arg("--store")
        .arg(&scene.folder)
        .args(step);
    command.current_dir(&scene.folder).stdin(Stdio::null());
    command
}

/// The answer of a stage that was no yes, as our own: its no with all its reasons, or why it could not tell.
fn refused(answer: &Value, arguments: &[&str]) -> Failure {
    let typed = arguments
        .iter()
        .copied()
        .take_while(|word| !word.starts_with('-'));
    let command = typed.take(2).collect::<Vec<_>>().join(" ");
    let text = |value: &Value, name: &str| {
        let text = value.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let reasons = answer.get("reasons").and_then(Value::as_array);
    let reasons = reasons.map_or(&[][..], Vec::as_slice);
    let reason = |value: &Value| {
        let code = Code::from_word(&text(value, "code"))?;
        let message = format!("`modelward {command}`: {}", text(value, "message"));
        Some(Reason::new(code, message, text(value, "way")))
    };
    if text(answer, "result") == "denied"
        && let Some(denied) = Denied::from_reasons(reasons.iter().filter_map(reason).collect())
    {
        return denied.into();
    }
    let told = reasons.first().unwrap_or(answer);
    let causes = answer.get("causes").and_then(Value::as_array);
    let causes = causes.into_iter().flatten().filter_map(Value::as_str);
    let message = causes.fold(text(told, "message"), |message, cause| {
        format!("{message}: {cause}")
    });
    let hint = match text(told, "way") {
        way if way.is_empty() => text(told, "hint"),
        way => way,
    };
    let code = Code::from_word(&text(answer, "code")).filter(|code| code.kind() == Kind::Error);
    let message = format!("`modelward {command}` could not tell: {message}");
    Failure::error(code.unwrap_or(Code::Internal), message, hint)
}

fn indented(text: &str) -> Lines {
    text.lines().map(|line| format!("    {line}")).collect()
}
