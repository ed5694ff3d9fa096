"""As `modelward.signing`."""

from modelward.signing import *  # noqa: F403
from modelward.signing import Config
