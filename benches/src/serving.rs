//! The most memory that a server holds, with the largest model that it takes and several clients at once.
//!
//! The model comes the way that every model comes: from a data set, trained, scanned, signed, published, deployed and
//! admitted. Its training copies weights.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Cursor, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use image::{GrayImage, ImageFormat};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::table::{Bar, Row, Table, Unit};
use crate::{Bench, Result, files};

const PACKAGE: &str = "docker.io/lmrs2/bh-aisec-model-inference";
const PROD: &str = "name@prod-project-id.iam.gserviceaccount.com";
/// With ten classes these are as many parameters as a model may have, nearly: 48 MiB of them.
const HIDDEN: usize = 15_800;
const PIXELS: usize = 28 * 28;
const CLIENTS: usize = 8;
const REQUESTS_EACH: usize = 50;
const MEBIBYTES_OVER_MODEL: f64 = 64.0;

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let folder = bench.folder.path().join("serving");
    let model_mebibytes = write_data(&folder)?;
    let policies = |name: &str| bench.house.join("examples/digits/policies").join(name);
    let (publish, deployment) = (policies("publish"), policies("deployment"));
    let (publish, deployment) = (publish.display(), deployment.display());
    for line in [
        "store init",
        "key new bench",
        "dataset add weights --policy dependencies.toml",
        "train --input weights --name model --to model --source git+https://modelward.dev/source/modelward \
            -- /bin/cp /in/weights/model.safetensors /in/weights/architecture.json /out/",
        "scan model",
        "sign model",
        &format!("publish model --package {PACKAGE} --environment prod --policies {publish}"),
        &format!(
            "deploy model --package {PACKAGE} --policies {deployment} --policy servers-prod.json"
        ),
        &format!("admit model --package {PACKAGE} --environment prod --service-account {PROD}"),
    ] {
        let output = command(bench, &folder, line).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("`modelward {line}` did not end well: {said}").into());
        }
    }
    let server = Server::start(bench, &folder)?;
    let loaded = server.peak_mebibytes()?;
    server.load()?;
    for (what, ours) in [
        ("memory: serve, when loaded, beside the model", loaded),
        (
            "memory: serve, after 400 requests, beside the model",
            server.peak_mebibytes()?,
        ),
    ] {
        table.add(&Row {
            what,
            unit: Unit::Mebibytes,
            ours: ours - model_mebibytes,
            peer: None,
            bar: Bar::Absolute(MEBIBYTES_OVER_MODEL),
        });
    }
    Ok(())
}

fn command(bench: &Bench, folder: &Path, line: &str) -> Command {
    let mut command = Command::new(&bench.modelward);
    command.current_dir(folder).args(line.split_whitespace());
    command.stdin(Stdio::null());
    command
}

/// A data set of a model's two files, and the policy that names it. Comes back with the size of the weights.
fn write_data(folder: &Path) -> Result<f64> {
    let data = folder.join("data");
    std::fs::create_dir_all(&data)?;
    let tensors = [
        ("first.weight", vec![HIDDEN, PIXELS]),
        ("first.bias", vec![HIDDEN]),
        ("second.weight", vec![10, HIDDEN]),
        ("second.bias", vec![10]),
    ]
    .map(|(name, shape)| (name.to_owned(), shape));
    let mut weights = BufWriter::new(File::create(data.join("model.safetensors"))?);
    weights.write_all(&files::header(&tensors))?;
    let count = tensors
        .iter()
        .map(|(_, shape)| shape.iter().product::<usize>());
    files::numbers(&mut weights, count.sum())?;
    weights.flush()?;
    std::fs::write(data.join("architecture.json"), architecture().to_string())?;
    let mut policy = "format = \"modelward-dependency-policy/v1\"\nallowed_licences = [\"MIT\"]\n\
        allowed_purposes = [\"train\"]\n[[dataset]]\nname = \"weights\"\nsource = \"file:data\"\nlicence = \"MIT\"\n\
        purposes = [\"train\"]\n"
        .to_owned();
    for name in ["architecture.json", "model.safetensors"] {
        let measured = digest::measure_file(&data.join(name))?;
        policy += &format!(
            "[[dataset.file]]\nname = \"{name}\"\npath = \"{name}\"\ndigest = \"{}\"\nsize_bytes = {}\n",
            measured.digest(),
            measured.size_bytes()
        );
    }
    std::fs::write(folder.join("dependencies.toml"), policy)?;
    let size_bytes = std::fs::metadata(data.join("model.safetensors"))?.len();
    Ok(size_bytes as f64 / f64::from(1 << 20))
}

fn architecture() -> Value {
    json!({
        "format": "modelward-architecture/v1", "name": "bench",
        "input": {"name": "image", "datatype": "FP32", "shape": [-1, 1, 28, 28]},
        "output": {"name": "logits", "datatype": "FP32", "shape": [-1, 10]},
        "preprocessing": {"kind": "grey-image", "width": 28, "height": 28, "mean": 0.1307, "deviation": 0.3081},
        "layers": [
            {"op": "flatten"},
            {"op": "linear", "weight": "first.weight", "bias": "first.bias"},
            {"op": "linear", "weight": "second.weight", "bias": "second.bias"},
        ],
    })
}

/// A running server. It ends with what holds it.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(bench: &Bench, folder: &Path) -> Result<Self> {
        let line = format!(
            "serve model --http 127.0.0.1:0 --environment prod --service-account {PROD} --json"
        );
        let mut child = command(bench, folder, &line)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut said = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut said)?;
        let mut server = Self {
            child,
            address: String::new(),
        };
        let answer: Value = serde_json::from_str(&said)?;
        let address = answer["address"].as_str();
        server.address = address
            .ok_or_else(|| format!("the server said {said}"))?
            .to_owned();
        Ok(server)
    }

    fn peak_mebibytes(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        Ok(kibibytes
            .ok_or("the kernel keeps no peak")?
            .parse::<f64>()?
            / 1024.0)
    }

    /// Several clients at once, each with small and large pictures and with tensors; every answer must be a prediction.
    fn load(&self) -> Result<()> {
        let requests = [
            ("/classify/v0", classify(28)?),
            ("/v2/models/bench/infer", infer(1)),
            ("/classify/v0", classify(2048)?),
            ("/v2/models/bench/infer", infer(32)),
        ];
        let client = || -> std::result::Result<(), String> {
            for (path, body) in requests.iter().cycle().take(REQUESTS_EACH) {
                self.ask(path, body).map_err(|e| e.to_string())?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
            for client in clients {
                client.join().map_err(|_| "a client panicked")??;
            }
            Ok(())
        })
    }

    fn ask(&self, path: &str, body: &str) -> Result<()> {
        let mut stream = TcpStream::connect(&self.address)?;
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.1 200 ") {
            Ok(())
        } else {
            Err(format!("{path} was answered with {answer}").into())
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // One that has ended already needs no signal.
        let _ = id.map(|id| kill_process(id, Signal::TERM));
        let _ = self.child.wait();
    }
}

/// A square picture with this side, as the digits client sends one.
fn classify(side: u32) -> Result<String> {
    let mut png = Cursor::new(Vec::new());
    let level = |x: u32, y: u32| {
        image::Luma([if (x * 28 / side + y * 28 / side).is_multiple_of(3) {
            255
        } else {
            0
        }])
    };
    GrayImage::from_fn(side, side, level).write_to(&mut png, ImageFormat::Png)?;
    let picture = data_encoding::BASE64.encode(png.get_ref());
    Ok(json!({"image": picture}).to_string())
}

/// So many rows by the Open Inference Protocol, in JSON.
fn infer(rows: usize) -> String {
    let data: Vec<f32> = (0..rows * PIXELS)
        .map(|at| (at % 17) as f32 / 16.0)
        .collect();
    json!({"inputs": [{"name": "image", "shape": [rows, 1, 28, 28], "datatype": "FP32", "data": data}]}).to_string()
}
