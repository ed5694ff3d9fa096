"""A small chain of ours, from data set to admission, over weights that the safetensors package wrote."""

import hashlib
import json
from pathlib import Path

import numpy
from safetensors.numpy import save_file

from .commands import Modelward

PACKAGE = "docker.io/lmrs2/bh-aisec-model-inference"
SERVICE_ACCOUNT = "name@prod-project-id.iam.gserviceaccount.com"
SOURCE = "git+https://modelward.dev/source/modelward"
COPY = 'cp "$MODELWARD_INPUTS"/bands/* "$MODELWARD_OUTPUTS"/'
PIXELS_PER_BAND = 56

ARCHITECTURE = {
    "format": "modelward-architecture/v1",
    "name": "bands",
    "input": {"name": "image", "datatype": "FP32", "shape": [-1, 1, 28, 28]},
    "output": {"name": "logits", "datatype": "FP32", "shape": [-1, 10]},
    "preprocessing": {"kind": "grey-image", "width": 28, "height": 28, "mean": 0.1307, "deviation": 0.3081},
    "layers": [{"op": "flatten"}, {"op": "linear", "weight": "w", "bias": "b"}],
}


class Chain:
    """The model looks for a white band: the tenth of the picture, from the top, that is brightest is the digit."""

    def __init__(self, ours: Modelward, policies: Path, room: Path) -> None:
        self.ours = ours
        self.model = room / "bands"
        self.public_key = ours.new_key("chain")[1]
        self.weights = weights()
        data = room / "data"
        data.mkdir(parents=True)
        save_file(self.weights, data / "model.safetensors")
        (data / "architecture.json").write_text(json.dumps(ARCHITECTURE))
        policy = room / "dependencies.toml"
        policy.write_text(dependency_policy("bands", data))
        ours.allowed("dataset", "add", "bands", "--policy", policy, "--from", data)
        ours.allowed("train", "--input", "bands", "--name", "bands", "--to", self.model, "--include", "/usr/bin/cp",
                     "--source", SOURCE, "--", "/bin/sh", "-c", COPY)
        ours.allowed("scan", self.model)
        ours.allowed("sign", self.model)
        ours.allowed("publish", self.model, "--package", PACKAGE, "--environment", "prod",
                     "--policies", policies / "publish")
        ours.allowed("deploy", self.model, "--package", PACKAGE, "--policies", policies / "deployment",
                     "--policy", "servers-prod.json")
        ours.allowed("admit", self.model, "--package", PACKAGE, "--environment", "prod",
                     "--service-account", SERVICE_ACCOUNT)

    def entries(self) -> list[dict]:
        return self.ours.allowed("log", "show")["entries"]

    def bundles(self) -> dict[str, Path]:
        """This chain's bundles, by the kind of what they say. What was recorded later is not of it."""
        blobs = self.ours.store / "blobs/sha256"
        latest_first = reversed(self.entries())
        return {entry["predicateType"]: blobs / entry["bundle"].removeprefix("sha256:") for entry in latest_first}


def weights() -> dict[str, numpy.ndarray]:
    """Not quite zero elsewhere, so that no number can be lost unnoticed."""
    noise = numpy.random.default_rng(1).normal(0, 0.001, (10, 784)).astype(numpy.float32)
    bands = numpy.repeat(numpy.eye(10, dtype=numpy.float32), PIXELS_PER_BAND, axis=1)
    noise[:, : bands.shape[1]] += bands
    return {"w": noise, "b": numpy.linspace(-0.1, 0.1, 10, dtype=numpy.float32)}


def dependency_policy(name: str, folder: Path) -> str:
    """Allows the files that are in the folder now."""
    lines = ['format = "modelward-dependency-policy/v1"', 'allowed_licences = ["CC0-1.0"]',
             'allowed_purposes = ["train"]', "[[dataset]]", f'name = "{name}"', 'source = "file:data"',
             'licence = "CC0-1.0"', 'purposes = ["train"]']
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        lines += ["[[dataset.file]]", f'name = "{path.name}"', f'path = "{path.name}"',
                  f'digest = "sha256:{hashlib.sha256(content).hexdigest()}"', f"size_bytes = {len(content)}"]
    return "\n".join(lines) + "\n"
