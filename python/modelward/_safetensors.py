"""What a safetensors file says of its tensors, read strictly."""

from __future__ import annotations

import json
import math
import mmap
from typing import Any, NamedTuple

from ._program import Refused

HEADER_SIZE_BYTES_MAX = 100_000_000
# What NumPy and torch can address and count; a tensor without elements is held to it by its other lengths.
_SIZE_BYTES_MAX = 2**63 - 1
_DIMENSIONS_MAX = 32

SIZE_BITS = {
    "BOOL": 8,
    "U8": 8,
    "I8": 8,
    "F8_E4M3": 8,
    "F8_E5M2": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "F8_E8M0": 8,
    "U16": 16,
    "I16": 16,
    "F16": 16,
    "BF16": 16,
    "U32": 32,
    "I32": 32,
    "F32": 32,
    "U64": 64,
    "I64": 64,
    "F64": 64,
    "C64": 64,
}


class Tensor(NamedTuple):
    """A tensor, and where in the file it lies."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_header(memory: mmap.mmap) -> list[Tensor]:
    """All tensors, which lie side by side from the header to the end of the file."""
    if len(memory) < 8:
        raise Refused("a safetensors file is shorter than its header")
    size = int.from_bytes(memory[:8], "little")
    if size > HEADER_SIZE_BYTES_MAX or 8 + size > len(memory):
        raise Refused("a safetensors header is longer than its file, or than any needs")
    try:
        header = json.loads(memory[8 : 8 + size], object_pairs_hook=_once)
        header.pop("__metadata__", None)
        tensors = [_tensor(name, item, 8 + size) for name, item in header.items()]
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise Refused(f"a safetensors header can't be read: {error}") from error
    at = 8 + size
    for tensor in sorted(tensors, key=lambda tensor: (tensor.begin, tensor.end)):
        if tensor.begin != at:
            raise Refused(f"the tensor `{tensor.name}` overlaps another, or leaves a gap")
        at = tensor.end
    if at != len(memory):
        raise Refused("there are bytes after the last tensor")
    return tensors


def _tensor(name: str, item: dict[str, Any], base: int) -> Tensor:
    dtype, shape = item["dtype"], tuple(item["shape"])
    begin, end = item["data_offsets"]
    if not all(type(number) is int and number >= 0 for number in (*shape, begin, end)):
        raise ValueError(f"`{name}` has a size that is no number")
    if dtype not in SIZE_BITS:
        raise ValueError(f"`{name}` is of the unknown type `{dtype}`")
    if len(shape) > _DIMENSIONS_MAX or math.prod(max(length, 1) for length in shape) * SIZE_BITS[dtype] > _SIZE_BYTES_MAX * 8:
        raise ValueError(f"`{name}` has a shape that no memory holds")
    if math.prod(shape) * SIZE_BITS[dtype] != (end - begin) * 8:
        raise ValueError(f"`{name}` has not the size of its shape")
    return Tensor(name, dtype, shape, base + begin, base + end)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("a name stands there twice")
    return read
