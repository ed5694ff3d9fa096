"""As `modelward.manifest`."""

from modelward.manifest import *  # noqa: F403
from modelward.manifest import Manifest
