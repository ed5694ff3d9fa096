"""Loading a model whose signature holds, without reading it again.

The program reads each file of tensors once into memory, seals it so that nobody can change it any more, hashes that memory,
and hands it over when all of the model is as it was signed. The tensors lie in that same memory.
"""

from __future__ import annotations

import array
import json
import mmap
import os
import socket
import subprocess
import tempfile
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Optional

from . import _safetensors
from ._program import Listening, PathLike, Refused, find_program, refusal, voice

if TYPE_CHECKING:
    from .verifying import Config

Framework = Literal["numpy", "torch", "memoryview"]

_F_GET_SEALS = 1034
# Against shrinking, growing, writing, and against taking these back (linux/fcntl.h).
_SEALS = 0x1 | 0x2 | 0x4 | 0x8
_PACKET_SIZE_BYTES_MAX = 1 << 16

_NUMPY = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
    "C64": "<c8",
}
# NumPy has these by the package ml_dtypes.
_ML_DTYPES = {
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
}
_TORCH = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "I16": "int16",
    "U16": "uint16",
    "F16": "float16",
    "BF16": "bfloat16",
    "I32": "int32",
    "U32": "uint32",
    "F32": "float32",
    "I64": "int64",
    "U64": "uint64",
    "F64": "float64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
    "C64": "complex64",
}


def load(
    path: PathLike,
    *,
    policy: Config,
    signature: Optional[PathLike] = None,
    framework: Framework = "numpy",
) -> dict[str, Any]:
    """The tensors of a model by their names, from its safetensors files, once all of it is as it was signed.

    `policy` says who is believed: a `verifying.Config` with one of its verifiers. `signature` is `PATH.sig` by default.
    NumPy's arrays can't be written to. Torch's tensors can: what is written is this process's own.
    """
    signature = f"{os.path.abspath(os.fsdecode(path))}.sig" if signature is None else signature
    makers = {"numpy": _numpy, "torch": _torch, "memoryview": _memoryview}
    if framework not in makers:
        raise ValueError(f"`framework` is one of {', '.join(makers)}, and not {framework!r}")
    if not hasattr(policy, "words"):
        raise TypeError("`policy` is a `verifying.Config`, which says who is believed")
    make = makers[framework]
    tensors: dict[str, Any] = {}
    files = _handed_over(policy.words(path, signature))
    if not files:
        raise Refused("the model has no file of tensors, `*.safetensors`")
    for file in files:
        # Torch knows no tensors that can't be written to.
        access = mmap.ACCESS_COPY if framework == "torch" else None
        memory = _map(file, access)
        for tensor in _safetensors.read_header(memory):
            if tensor.name in tensors:
                raise Refused(f"two files have a tensor `{tensor.name}`")
            tensors[tensor.name] = make(memory, tensor)
    return tensors


class _File(NamedTuple):
    name: str
    size: int
    descriptor: int


def _handed_over(words: list[str]) -> list[_File]:
    """Has the model verified; the sealed memory of its files of tensors."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, tempfile.TemporaryFile() as said:
        command = [find_program(), "oms", *voice(), "hand-over", *words]
        process = subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=said)
        theirs.close()
        files, is_whole = _receive(ours)
        status = process.wait()
        said.seek(0)
        listening = Listening()
        listening.hear(said)
        if status == 0 and is_whole:
            return files
        for file in files:
            os.close(file.descriptor)
        raise refusal(listening.rest)


def _receive(connection: socket.socket) -> tuple[list[_File], bool]:
    files: list[_File] = []
    while True:
        packet, ancillary, _, _ = connection.recvmsg(_PACKET_SIZE_BYTES_MAX, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
        if not packet:
            return files, False
        descriptors = array.array("i")
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                descriptors.frombytes(data)
        read = json.loads(packet)
        if read.get("end"):
            return files, True
        files.append(_File(read["name"], read["size"], descriptors[0]))


def _map(file: _File, access: Optional[int]) -> mmap.mmap:
    import fcntl

    try:
        if fcntl.fcntl(file.descriptor, _F_GET_SEALS) & _SEALS != _SEALS:
            raise Refused(f"the memory of `{file.name}` is not sealed")
        if access is not None:
            return mmap.mmap(file.descriptor, file.size, access=access)
        # Private: before Linux 6.7 sealed memory can't be mapped otherwise. Nothing is copied.
        return mmap.mmap(file.descriptor, file.size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    finally:
        os.close(file.descriptor)


def _memoryview(memory: mmap.mmap, tensor: _safetensors.Tensor) -> memoryview:
    return memoryview(memory)[tensor.begin : tensor.end]


def _numpy(memory: mmap.mmap, tensor: _safetensors.Tensor) -> Any:
    import numpy

    if tensor.dtype in _NUMPY:
        dtype = numpy.dtype(_NUMPY[tensor.dtype])
    elif tensor.dtype in _ML_DTYPES:
        try:
            import ml_dtypes
        except ImportError:
            why = f"NumPy has no {tensor.dtype}: install `ml_dtypes`, or load with `framework=\"torch\"`"
            raise Refused(f"`{tensor.name}`: {why}") from None
        dtype = numpy.dtype(getattr(ml_dtypes, _ML_DTYPES[tensor.dtype]))
    else:
        raise Refused(f"`{tensor.name}` is of the type {tensor.dtype}, which NumPy has not")
    flat = numpy.frombuffer(_memoryview(memory, tensor), dtype=dtype) if tensor.end > tensor.begin else numpy.empty(0, dtype)
    return flat.reshape(tensor.shape)


def _torch(memory: mmap.mmap, tensor: _safetensors.Tensor) -> Any:
    import torch

    dtype = getattr(torch, _TORCH.get(tensor.dtype, ""), None)
    if dtype is None:
        raise Refused(f"`{tensor.name}` is of the type {tensor.dtype}, which this torch has not")
    if tensor.end == tensor.begin:
        return torch.empty(tensor.shape, dtype=dtype)
    raw: Any = _memoryview(memory, tensor)
    if tensor.begin % (_safetensors.SIZE_BITS[tensor.dtype] // 8):
        # Torch expects its elements in places that they divide, of which the format knows nothing.
        raw = bytearray(raw)
    return torch.frombuffer(raw, dtype=dtype).reshape(tensor.shape)
