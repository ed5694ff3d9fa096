"""`model_signing`, answered by Modelward: for programs that import it and shall not be changed."""

from modelward import hashing, signing, verifying

__all__ = ["hashing", "signing", "verifying"]
