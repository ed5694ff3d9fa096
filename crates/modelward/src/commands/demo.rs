//! `modelward demo`: the whole chain on real data, and then the attacks, by the public command line alone.

mod attacks;
mod measure;
mod stages;

use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};
use trust::{Code, Denied, Reason};

use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::faults::at;
use crate::lines::Lines;
use crate::ui::Ui;

/// What the demo's model is published as, where it runs, and as whom.
const PACKAGE: &str = "docker.io/lmrs2/bh-aisec-model-inference";
const SERVICE_ACCOUNT: &str = "name@prod-project-id.iam.gserviceaccount.com";
const SOURCE: &str = "git+https://modelward.dev/source/modelward";

/// Run the whole chain on a digit classifier, from data set to prediction, and then the attacks on it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder that it is run in; what is in it and unchanged is reused
    #[arg(long, value_name = "DIR", default_value = "demo")]
    folder: PathBuf,
    /// The example's folder: its policies and attacks
    #[arg(long, value_name = "DIR", default_value = "examples/digits")]
    example: PathBuf,
    /// Where the example's programs were built
    #[arg(
        long,
        value_name = "DIR",
        default_value = "examples/digits/target/release"
    )]
    programs: PathBuf,
    /// Run this attack alone, on a chain that was run before
    #[arg(long, value_name = "NAME")]
    attack: Option<String>,
}

/// Where everything is, by absolute paths: programs are started in other folders.
struct Scene {
    folder: PathBuf,
    example: PathBuf,
    programs: PathBuf,
    modelward: PathBuf,
}

pub(crate) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let begun = Instant::now();
    let scene = scene(args, common)?;
    if let Some(name) = &args.attack {
        let attack = attacks::run(name, &scene, ui)?;
        return Ok(answer(&scene, &[], None, &[attack], begun));
    }
    let stages = stages::run(&scene, ui)?;
    ui.note(Lines::page(
        "\nthe attacks, each with its control: the same steps without it",
    ));
    let attacks = attacks::all(&scene, ui)?;
    Ok(answer(
        &scene,
        &stages.done,
        Some(stages.accuracy),
        &attacks,
        begun,
    ))
}

fn scene(args: &Args, common: &Common) -> Result<Scene, Failure> {
    let folder = common.store.clone().unwrap_or_else(|| args.folder.clone());
    std::fs::create_dir_all(&folder).map_err(at(&folder))?;
    let found = |path: &PathBuf, what: &str| {
        std::fs::canonicalize(path).map_err(|_| {
            let message = format!("`{}`, {what}, is not there", path.display());
            Failure::error(
                Code::NotFound,
                message,
                "run `make demo` in the source tree, which builds it",
            )
        })
    };
    Ok(Scene {
        folder: std::fs::canonicalize(&folder).map_err(at(&folder))?,
        example: found(&args.example, "the example's folder")?,
        programs: found(&args.programs, "the folder of the example's programs")?,
        modelward: std::env::current_exe().map_err(at("/proc/self/exe"))?,
    })
}

fn answer(
    scene: &Scene,
    stages: &[stages::Done],
    accuracy: Option<f64>,
    attacks: &[attacks::Attack],
    begun: Instant,
) -> Answer {
    let held = attacks.iter().filter(|attack| attack.held()).count();
    let mut lines = Lines::default();
    if let Some(accuracy) = accuracy {
        lines.push(format!(
            "accuracy on the 10,000 test pictures, asked of the server: {:.2} %",
            accuracy * 100.0
        ));
    }
    lines.extend(attacks::table(attacks));
    lines.push(format!(
        "{held} of {} attacks refused by the right gate, their controls allowed; {:.0} s in all",
        attacks.len(),
        begun.elapsed().as_secs_f64()
    ));
    lines.push(look_around(scene));
    let data: Value = json!({
        "stages": stages.iter().map(stages::Done::data).collect::<Vec<_>>(),
        "accuracy": accuracy,
        "attacks": attacks.iter().map(attacks::Attack::data).collect::<Vec<_>>(),
        "store": scene.folder,
    });
    let failed = attacks
        .iter()
        .filter(|attack| !attack.held())
        .map(|attack| {
            let message = if attack.refused {
                format!("the control of `{}` was refused", attack.name)
            } else {
                format!("`{}` was not refused as it should be", attack.name)
            };
            Reason::new(
                Code::DemoFailed,
                message,
                format!("run it alone: `modelward demo --attack {}`", attack.name),
            )
        });
    Answer::new(lines, data).denied_if(Denied::from_reasons(failed.collect()))
}

/// The program by its path: whoever has only built it has none in `PATH`.
fn look_around(scene: &Scene) -> String {
    let (folder, program) = (scene.folder.display(), scene.modelward.display());
    format!("look around: cd {folder} && {program} audit mnist")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_named_wherever_it_was_built() {
        let scene = Scene {
            folder: "/somewhere/demo".into(),
            example: PathBuf::new(),
            programs: PathBuf::new(),
            modelward: "/somewhere/target/release/modelward".into(),
        };
        let line = look_around(&scene);
        assert!(line.ends_with("demo && /somewhere/target/release/modelward audit mnist"));
    }
}
