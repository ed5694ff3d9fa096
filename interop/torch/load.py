"""Loads models by the wheel into torch's tensors: load.py KEY PUBLIC_KEY OTHER_PUBLIC_KEY WANTED, in the folder of the models.

WANTED is what `checks/loading.py` wrote: what is in each model, and why each hostile one is refused. Everything that differs
ends this with an exception.
"""

import ctypes
import json
import os
import sys

import modelward
import torch
from modelward import signing, verifying

FILE = "model.safetensors"
# What this torch need not have.
NEWER = {"uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2"}
IN_OPEN, IN_CLOSE_NOWRITE, IN_NONBLOCK = 0x20, 0x10, 0o4000

private, public, other = sys.argv[1:4]
sign = signing.Config().use_elliptic_key_signer(private_key=private).sign
policy = verifying.Config().use_elliptic_key_verifier(public_key=public)
paths_opened_here: list = []
sys.addaudithook(lambda event, arguments: event == "open" and paths_opened_here.append(str(arguments[0])))


def main() -> None:
    with open(sys.argv[4]) as file:
        wanted = json.load(file)
    for model, (tensors, words) in wanted.items():
        sign(model, f"{model}.sig")
        missing = {dtype for dtype, _, _ in tensors.values() if not hasattr(torch, dtype)}
        assert missing <= NEWER, missing
        if words or missing:
            refused(words or "which this torch has not", model)
        else:
            loads_once(model, tensors)
            refuses_changes(model, tensors)
    print(torch.__version__)


def load(model: str, policy: verifying.Config = policy) -> dict:
    return modelward.load(model, policy=policy, framework="torch")


def loads_once(model: str, wanted: dict) -> None:
    path = f"{model}/{FILE}"
    watch = Watch(path)
    paths_opened_here.clear()
    loaded = load(model)
    assert watch.events() == [IN_OPEN, IN_CLOSE_NOWRITE], f"{path} was not opened once"
    assert not [path for path in paths_opened_here if path.endswith(FILE)], paths_opened_here
    expect_same(loaded, wanted)
    # What was verified stays, whatever becomes of the file, and the file stays, whatever becomes of the tensors.
    before = read(path)
    write(path, bytes(len(before)))
    expect_same(loaded, wanted)
    write(path, before)
    for tensor in loaded.values():
        if tensor.numel():
            tensor.zero_()
    assert read(path) == before
    expect_same(load(model), wanted)


def expect_same(loaded: dict, wanted: dict) -> None:
    assert loaded.keys() == wanted.keys(), (sorted(loaded), sorted(wanted))
    for name, (dtype, shape, values) in wanted.items():
        tensor = loaded[name]
        assert tensor.dtype == getattr(torch, dtype), (name, tensor.dtype)
        assert list(tensor.shape) == shape, (name, tensor.shape)
        # As text, in which -0.0 is not 0.0.
        assert repr(listed(tensor)) == repr(values), (name, listed(tensor), values)
        assert tensor.data_ptr() % max(tensor.element_size(), 1) == 0, f"{name} is at an odd place"
        assert not values or name.startswith("odd") or is_in_memfd(tensor), f"{name} was copied"


def listed(tensor: torch.Tensor) -> list:
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    if "float8" in str(tensor.dtype):
        tensor = tensor.float()
    return tensor.flatten().tolist()


def is_in_memfd(tensor: torch.Tensor) -> bool:
    """Whether it lies in memory that the program handed over, and not in this process's own."""
    with open("/proc/self/maps") as maps:
        for line in maps:
            begin, end = (int(part, 16) for part in line.split()[0].split("-"))
            if begin <= tensor.data_ptr() < end:
                return "memfd:" in line
    return False


def refuses_changes(model: str, wanted: dict) -> None:
    path = f"{model}/{FILE}"
    before = read(path)
    flipped = bytearray(before)
    flipped[-1] ^= 1
    for content in (bytes(flipped), before + b"x", before[:-1]):
        write(path, content)
        refused(f"Hash mismatch for '{FILE}'", model)
    write(path, before)
    refused("Key mismatch", model, verifying.Config().use_elliptic_key_verifier(public_key=other))
    expect_same(load(model), wanted)


def refused(words: str, model: str, policy: verifying.Config = policy) -> None:
    try:
        load(model, policy)
    except modelward.Refused as error:
        assert words in str(error), f"{model} is refused for another reason: {error}"
    else:
        raise AssertionError(f"{model} was loaded")


class Watch:
    """Who opens and closes a file, by inotify(7)."""

    def __init__(self, path: str) -> None:
        libc = ctypes.CDLL(None)
        self.queue = libc.inotify_init1(IN_NONBLOCK)
        watch = libc.inotify_add_watch(self.queue, os.fsencode(path), IN_OPEN | IN_CLOSE_NOWRITE)
        assert self.queue >= 0 and watch >= 0, "inotify can't watch"

    def events(self) -> list:
        with open(self.queue, "rb", buffering=0) as queue:
            said = queue.read() or b""
        # Of a file that is watched itself: a descriptor, the mask, a cookie and the length of no name.
        return [int.from_bytes(said[at + 4 : at + 8], sys.byteorder) for at in range(0, len(said), 16)]


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


main()
