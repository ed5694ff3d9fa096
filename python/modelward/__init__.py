"""Sign and verify models, and load what was verified: the program `modelward`, from Python.

The modules `signing`, `verifying` and `hashing` have the names of OpenSSF's `model_signing`, and do what they say by running
the program that came with this package. `load` gives the tensors of a model whose signature holds.
"""

from . import hashing, signing, verifying
from ._program import Refused, find_program, version
from .loading import load

__all__ = ["Refused", "find_program", "hashing", "load", "signing", "verifying", "version"]
