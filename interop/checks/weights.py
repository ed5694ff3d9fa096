"""Weights: the safetensors package reads what our trainer wrote, and we take what it wrote for clean."""

import json
import struct
from importlib.metadata import version
from pathlib import Path

import numpy
from safetensors import SafetensorError
from safetensors.numpy import load, load_file, save, save_file

from . import commands
from .chain import Chain, dependency_policy
from .commands import Modelward
from .record import Record, expect, expect_raises

PEER = f"safetensors {version('safetensors')}"
IMAGES = 64


def check(record: Record, ours: Modelward, chain: Chain, trainer: Path, room: Path) -> None:
    room.mkdir(parents=True)
    check_trained(record, ours, trainer, room)
    check_written(record, ours, room)
    with record.check(PEER, "wrote weights that come out of our chain to the last bit"):
        expect_same(load_file(chain.model / "model.safetensors"), chain.weights)


def check_trained(record: Record, ours: Modelward, trainer: Path, room: Path) -> None:
    data, model = room / "mnist", room / "digits"
    data.mkdir()
    for half in ("train", "t10k"):
        (data / f"{half}-images-idx3-ubyte").write_bytes(pictures())
        (data / f"{half}-labels-idx1-ubyte").write_bytes(
            struct.pack(">II", 0x801, IMAGES) + bytes(number % 10 for number in range(IMAGES))
        )
    policy = room / "dependencies.toml"
    policy.write_text(dependency_policy("mnist", data))
    ours.allowed("dataset", "add", "mnist", "--policy", policy, "--from", data)
    ours.allowed("train", "--input", "mnist", "--name", "digits", "--to", model, "--", trainer, "--epochs", 1)
    written = model / "model.safetensors"
    with record.check(PEER, "reads each tensor that our trainer wrote, and all are finite"):
        tensors = load_file(written)
        layers = json.loads((model / "architecture.json").read_text())["layers"]
        named = {layer[part] for layer in layers for part in ("weight", "bias") if part in layer}
        expect(named and named == set(tensors), f"architecture has {named}, file has {set(tensors)}")
        expect(all(numpy.isfinite(tensor).all() and tensor.any() for tensor in tensors.values()), "not finite, or nothing")
    with record.check(PEER, "writes our trainer's tensors back to as many bytes of the same values"):
        expect_same(load(save(tensors)), tensors)
        values = sum(tensor.nbytes for tensor in tensors.values())
        header = int.from_bytes(written.read_bytes()[:8], "little")
        expect(written.stat().st_size == 8 + header + values, "there is more in the file")
    with record.check(PEER, "and our scan both refuse our trainer's file cut short"):
        short = room / "short.safetensors"
        short.write_bytes(written.read_bytes()[:-1])
        with expect_raises(SafetensorError):
            load_file(short)
        ours.refused("scan_inconclusive", "scan", "--no-record", short)


def pictures() -> bytes:
    """MNIST's form: bright noise, from a fixed seed."""
    noise = numpy.random.default_rng(2).integers(0, 256, (IMAGES, 28, 28), dtype=numpy.uint8)
    return struct.pack(">IIII", 0x803, IMAGES, 28, 28) + noise.tobytes()


def check_written(record: Record, ours: Modelward, room: Path) -> None:
    kinds = ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")
    tensors = {f"layer.{kind}": numpy.arange(24).reshape(2, 3, 4).astype(kind) for kind in kinds}
    for name, content, metadata in [
        ("of every type of numpy's", tensors, None),
        ("with metadata", tensors, {"format": "np", "license": "CC0"}),
        ("with an empty and a scalar tensor", {"none": numpy.zeros((0, 3)), "one": numpy.array(1.5)}, None),
    ]:
        with record.check(PEER, f"writes a file {name} that our scan finds clean"):
            path = room / "written.safetensors"
            save_file(content, path, metadata=metadata)
            expect(ours.allowed("scan", "--no-record", path)["verdict"] == "clean", "another verdict")


def expect_same(first: dict[str, numpy.ndarray], second: dict[str, numpy.ndarray]) -> None:
    expect(first.keys() == second.keys(), f"{first.keys()} and {second.keys()}")
    for name, tensor in first.items():
        other = second[name]
        same = tensor.dtype == other.dtype and tensor.shape == other.shape and tensor.tobytes() == other.tobytes()
        expect(same, f"`{name}` differs")
