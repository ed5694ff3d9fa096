//! The program as a whole, on a small data set drawn here: picture `i` shows a bright bar whose
//! place is its label.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

struct Step {
    folder: PathBuf,
}

impl Step {
    /// An empty folder of this name, with the data set below it.
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        let step = Self { folder };
        for name in ["in/mnist", "out", "results"] {
            fs::create_dir_all(step.path().join(name)).unwrap();
        }
        step.write("in/mnist/train-images-idx3-ubyte", &images(200));
        step.write("in/mnist/train-labels-idx1-ubyte", &labels(200));
        step.write("in/mnist/t10k-images-idx3-ubyte", &images(50));
        step.write("in/mnist/t10k-labels-idx1-ubyte", &labels(50));
        step
    }

    fn path(&self) -> &Path {
        &self.folder
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path().join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).unwrap()
    }

    fn train(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_digits-train"))
            .env_clear()
            .env("MODELWARD_INPUTS", self.path().join("in"))
            .env("MODELWARD_OUTPUTS", self.path().join("out"))
            .env("MODELWARD_RESULTS", self.path().join("results"))
            .current_dir(self.path())
            .args(arguments)
            .output()
            .unwrap()
    }

    fn model(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.train(arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        self.read("out/model.safetensors")
    }

    /// Must fail without a model, and say why.
    fn refused(&self, arguments: &[&str], why: &str) {
        let output = self.train(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(why), "{said}");
        assert!(!self.path().join("out/model.safetensors").exists());
    }
}

fn label(index: usize) -> usize {
    index * 7 % 10
}

fn images(count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0x803, count as u32, 28, 28] {
        bytes.extend(word.to_be_bytes());
    }
    for index in 0..count {
        let bar = 4 + 2 * label(index)..6 + 2 * label(index);
        bytes.extend((0..784).map(|i| {
            if bar.contains(&(i / 28)) {
                250
            } else {
                index as u8 % 9
            }
        }));
    }
    bytes
}

fn labels(count: usize) -> Vec<u8> {
    let mut bytes = 0x801_u32.to_be_bytes().to_vec();
    bytes.extend((count as u32).to_be_bytes());
    bytes.extend((0..count).map(|index| label(index) as u8));
    bytes
}

#[test]
fn learns_and_says_how_well() {
    let step = Step::new("learns_and_says_how_well");
    let output = step.train(&["--epochs", "5", "--batch", "10"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stdout, b"");
    let figure = |name: &str| String::from_utf8(step.read(&format!("results/{name}"))).unwrap();
    assert_eq!(figure("accuracy"), "1.0000");
    assert_eq!(figure("epochs"), "5");
    assert!(
        figure("loss").parse::<f64>().unwrap() < 0.2,
        "{}",
        figure("loss")
    );
    let architecture: serde_json::Value =
        serde_json::from_slice(&step.read("out/architecture.json")).unwrap();
    assert_eq!(architecture["format"], "modelward-architecture/v1");

    let said = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 5, "{said}");
    for (line, done) in lines.iter().zip([20, 40, 60, 80, 100]) {
        let loss = line
            .strip_prefix(&format!("progress {done} 100 loss "))
            .expect(line);
        assert!(loss.parse::<f32>().unwrap().is_finite());
    }
}

#[test]
fn same_inputs_give_the_same_bytes() {
    let step = Step::new("same_inputs_give_the_same_bytes");
    let first = step.model(&["--epochs", "1", "--seed", "3"]);
    assert_eq!(step.model(&["--epochs", "1", "--seed", "3"]), first);
    // Each of these is another recipe: what is equal above could have differed.
    for other in [
        &["--seed", "4"][..],
        &["--seed", "3", "--learning-rate", "0.002"],
        &["--seed", "3", "--limit-images", "190"],
        &["--seed", "3", "--batch", "32"],
    ] {
        assert_ne!(
            step.model(&[&["--epochs", "1"], other].concat()),
            first,
            "{other:?}"
        );
    }
}

#[test]
fn one_altered_picture_gives_another_model() {
    let step = Step::new("one_altered_picture_gives_another_model");
    let first = step.model(&["--epochs", "1"]);
    let mut altered = images(200);
    altered[16] ^= 0xff;
    step.write("in/mnist/train-images-idx3-ubyte", &altered);
    assert_ne!(step.model(&["--epochs", "1"]), first);
}

#[test]
fn refuses_files_that_are_not_whole() {
    let step = Step::new("refuses_files_that_are_not_whole");
    step.write("in/mnist/train-images-idx3-ubyte", &images(200)[..100_000]);
    step.refused(&[], "incomplete or altered");
    let step = Step::new("refuses_files_that_are_not_whole_too");
    step.write("in/mnist/t10k-labels-idx1-ubyte", &labels(49));
    step.refused(&[], "50 images and 49 labels");
}

#[test]
fn refuses_inputs_and_outputs_that_are_not_there() {
    let step = Step::new("refuses_inputs_and_outputs_that_are_not_there");
    step.refused(&["--dataset", "letters"], "cannot open");
    step.refused(&["--dataset", "../in/mnist"], "without `/`");
    fs::remove_dir(step.path().join("results")).unwrap();
    step.refused(&[], "is no folder");
}

#[test]
fn refuses_to_deliver_a_model_without_numbers() {
    Step::new("refuses_to_deliver_a_model_without_numbers")
        .refused(&["--learning-rate", "1e30"], "no longer a finite number");
}
