"""`model_signing`, answered by Modelward: for programs that import it and shall not be changed."""

from modelward import InvalidSignature, NotFound, Refused, hashing, manifest, signing, verifying

# The release whose names these are, as `model_signing --version` says it.
__version__ = "1.1.1"

__all__ = ["InvalidSignature", "NotFound", "Refused", "hashing", "manifest", "signing", "verifying"]
