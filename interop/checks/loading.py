"""The wheel's `load` with the machine's own torch: tensors of all types, written by safetensors, read once and equal."""

import ctypes
import json
import struct
import sys
from pathlib import Path

from safetensors import TensorSpec, serialize

from . import commands
from .commands import Modelward
from .methods import key
from .record import Record, expect

PEER = "torch"
ROOT = Path(__file__).parents[2]
# Whose packages Debian installs.
PYTHON = "/usr/bin/python3"
MISSING = f"{PYTHON} has no torch: `scripts/needs interop` installs python3-torch by apt-get"

FLOATS = [1.5, -2.0, 0.25, -0.0, 384.0, float("inf")]
# Values that are exact in each type, by its name, with the letter by which `struct` packs them.
TYPES = {
    "bool": ("?", [True, False, True, True, False, False]),
    "uint8": ("B", [0, 1, 2, 127, 128, 255]),
    "int8": ("b", [0, 1, -1, 2, 127, -128]),
    "int16": ("h", [0, 1, -1, 0x102, 2**15 - 1, -(2**15)]),
    "int32": ("i", [0, 1, -1, 0x1020304, 2**31 - 1, -(2**31)]),
    "int64": ("q", [0, 1, -1, 0x102030405060708, 2**63 - 1, -(2**63)]),
    "uint16": ("H", [0, 1, 2, 0x102, 2**15, 2**16 - 1]),
    "uint32": ("I", [0, 1, 2, 0x1020304, 2**31, 2**32 - 1]),
    "uint64": ("Q", [0, 1, 2, 0x102030405060708, 2**63, 2**64 - 1]),
    "float16": ("e", FLOATS),
    "bfloat16": ("f", FLOATS),
    "float32": ("f", FLOATS),
    "float64": ("d", FLOATS),
    "complex64": ("f", [*FLOATS, *FLOATS]),
    "float8_e4m3fn": ("B", [1.5, -2.0, 0.25, -0.0, 384.0, 448.0]),
    "float8_e5m2": ("B", FLOATS),
}
# By hand, from the OCP's specification of them.
EIGHT_BITS = {
    "float8_e4m3fn": [0x3C, 0xC0, 0x28, 0x80, 0x7C, 0x7E],
    "float8_e5m2": [0x3E, 0xC0, 0x34, 0x80, 0x5E, 0x7C],
}


def check(record: Record, ours: Modelward, room: Path) -> None:
    found = commands.run(PYTHON, "-c", "import torch; print(torch.__version__)")
    with record.check(PEER, "is here"):
        expect(found.returncode == 0, f"{MISSING}\n{commands.text(found)[-400:]}")
    room.mkdir(parents=True)
    peer = f"{PEER} {found.stdout.decode().strip()}"
    with record.check(peer, "has the verified tensors of each type, read once, and none of what was changed or is hostile"):
        python = install(ours, room)
        wanted = room / "wanted.json"
        wanted.write_text(json.dumps(models(room)))
        keys = [*key(room, "P-256", "prime256v1"), key(room, "other", "prime256v1")[1]]
        commands.output(python, "-B", "-W", "error", ROOT / "interop/torch/load.py", *keys, wanted, folder=room)


def install(ours: Modelward, room: Path) -> Path:
    """The wheel, in an environment of the Python that has torch."""
    python = room / "venv/bin/python"
    commands.output(sys.executable, ROOT / "scripts/wheel", "--program", ours.binary, "--to", room / "dist")
    commands.output(PYTHON, "-m", "venv", "--without-pip", "--system-site-packages", room / "venv")
    wheels = (room / "dist").glob("*.whl")
    commands.output(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps", *wheels)
    return python


def models(room: Path) -> dict[str, tuple[dict, str]]:
    """By its name: what each model holds, and in which words it is refused, if it is."""
    made = {}
    for dtype, (_, values) in TYPES.items():
        content = encoded(dtype)
        one = content[: len(content) // 6]
        tensors = {"matrix": (dtype, [2, 3], content), "scalar": (dtype, [], one), "none": (dtype, [2, 0, 3], b"")}
        save(room / dtype, written(tensors))
        shown = {"matrix": values, "scalar": values[: len(values) // 6], "none": []}
        made[dtype] = ({name: (dtype, shape, shown[name]) for name, (_, shape, _) in tensors.items()}, "")
    # Which safetensors itself would not write: an odd number of bytes before what is wider.
    entries = {"byte": ("U8", [1], 1), "odd": ("F32", [6], 24)}
    save(room / "unaligned", by_hand(entries, b"\7" + encoded("float32")))
    made["unaligned"] = ({"byte": ("uint8", [1], [7]), "odd": ("float32", [6], FLOATS)}, "")
    for name, (entries, content, words) in hostile().items():
        save(room / name, by_hand(entries, content))
        made[name] = ({}, words)
    return made


def hostile() -> dict[str, tuple[dict, bytes, str]]:
    no_memory = "has a shape that no memory holds"
    return {
        "wide": ({"a": ("F32", [2**40, 2**40, 0], 0)}, b"", no_memory),
        "wider": ({"a": ("F32", [2**63, 0], 0)}, b"", no_memory),
        "deep": ({"a": ("F32", [1] * 100, 4)}, bytes(4), no_memory),
        "short": ({"a": ("F32", [2], 4)}, bytes(4), "has not the size of its shape"),
        "unknown": ({"a": ("F33", [1], 4)}, bytes(4), "of the unknown type `F33`"),
        "more": ({"a": ("F32", [1], 4)}, bytes(5), "bytes after the last tensor"),
        "negative": ({"a": ("F32", [-1, -1], 4)}, bytes(4), "a size that is no number"),
    }


def encoded(dtype: str) -> bytes:
    if dtype in EIGHT_BITS:
        return bytes(EIGHT_BITS[dtype])
    letter, values = TYPES[dtype]
    packed = [struct.pack(f"<{letter}", value) for value in values]
    # The upper half of a float32, whose lower one is zeros with all of these.
    return b"".join(one[2:] for one in packed) if dtype == "bfloat16" else b"".join(packed)


def written(tensors: dict[str, tuple[str, list[int], bytes]]) -> bytes:
    """By safetensors, which is told where the bytes lie."""
    kept = {name: ctypes.create_string_buffer(content, max(len(content), 1)) for name, (_, _, content) in tensors.items()}
    return serialize({
        name: TensorSpec(dtype=dtype, shape=shape, data_ptr=ctypes.addressof(kept[name]), data_len=len(content))
        for name, (dtype, shape, content) in tensors.items()
    })


def by_hand(entries: dict[str, tuple[str, list[int], int]], content: bytes) -> bytes:
    header, at = {}, 0
    for name, (dtype, shape, size) in entries.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content


def save(model: Path, content: bytes) -> None:
    model.mkdir()
    (model / "model.safetensors").write_bytes(content)
