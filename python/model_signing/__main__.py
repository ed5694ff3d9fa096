"""`model_signing`, and `python -m model_signing`: the program under that name."""

import os
import sys

from modelward import find_program


def main() -> None:
    """Becomes the program."""
    os.execv(find_program(), ["model_signing", *sys.argv[1:]])


if __name__ == "__main__":
    main()
