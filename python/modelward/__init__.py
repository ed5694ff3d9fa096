"""Sign and verify models, and load what was verified: the program `modelward`, from Python.

The modules `signing`, `verifying` and `hashing` have the names of OpenSSF's `model_signing`, and do what they say by running
the program that came with this package. `load` gives the tensors of a model whose signature holds.
"""

from typing import Any

from . import hashing, manifest, signing, verifying
from ._program import InvalidSignature, NotFound, Refused, find_program, version
from .loading import load

__all__ = [
    "InvalidSignature",
    "NotFound",
    "Refused",
    "find_program",
    "hashing",
    "load",
    "manifest",
    "signing",
    "verifying",
    "version",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
