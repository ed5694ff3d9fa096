"""As `modelward.verifying`."""

from modelward.verifying import *  # noqa: F403
from modelward.verifying import Config
