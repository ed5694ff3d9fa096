"""As `modelward.hashing`."""

from modelward.hashing import *  # noqa: F403
from modelward.hashing import Config
