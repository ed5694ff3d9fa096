"""Scanners: picklescan and our scan say the same of the same pickles. None of them is ever loaded."""

import pickle
import sys
from importlib.metadata import version
from pathlib import Path

import numpy

from . import commands
from .commands import Modelward
from .record import Record, expect

PEER = f"picklescan {version('picklescan')}"
# The package has a function for its command and no module to run.
PEER_COMMAND = (sys.executable, "-c", "import sys; from picklescan.cli import main; sys.exit(main())")

# What they would run does nothing: `true`, `1`, and a module of Python's own that prints a poem.
DANGEROUS = {
    "`os.system` by GLOBAL": b"cos\nsystem\n(S'true'\ntR.",
    "`builtins.eval` by STACK_GLOBAL": b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.",
    "`runpy.run_module` by INST": b"(S'this'\nirunpy\nrun_module\n.",
}
HARMLESS = {
    "plain values": pickle.dumps({"epochs": 3, "loss": [0.5, 0.25], "name": "bands"}),
    "an ordered dictionary": b"ccollections\nOrderedDict\n(tR.",
    "an array of numpy's": pickle.dumps(numpy.arange(12, dtype=numpy.float32).reshape(3, 4), protocol=4),
}


def check(record: Record, ours: Modelward, room: Path) -> None:
    room.mkdir(parents=True)
    for name, content in DANGEROUS.items():
        path = written(room, content)
        with record.check(PEER, f"and our scan both find the danger in {name}"):
            commands.refused(*PEER_COMMAND, "--path", path, words="Dangerous globals: 1")
            expect(ours.refused("scan_malicious", "scan", "--no-record", path)["verdict"] == "malicious", "another verdict")
    for name, content in HARMLESS.items():
        path = written(room, content)
        with record.check(PEER, f"and our scan both find nothing in {name}"):
            said = commands.output(*PEER_COMMAND, "--path", path).decode()
            expect("Scanned files: 1" in said and "Infected files: 0" in said, f"said {said}")
            expect(ours.allowed("scan", "--no-record", path)["verdict"] == "clean", "another verdict")


def written(room: Path, content: bytes) -> Path:
    path = room / "made.pkl"
    path.write_bytes(content)
    return path
