"""The program that came with this package, and its answers."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Optional, Union

PathLike = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]

NAME = "modelward"


class Refused(ValueError):
    """The answer is no, or there is none. `hint` says what to do."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


def find_program() -> str:
    """Where the program is: beside the scripts of the environment that this package was installed into.

    What stands in `PATH` is not looked at: it may be another release, or somebody else's.
    """
    here = Path(__file__).resolve().parent
    schemes = {"posix_prefix", "posix_user", "venv"} & set(sysconfig.get_scheme_names())
    places = [Path(sysconfig.get_path("scripts"))]
    # `pip install --target DIR` has them in DIR/bin.
    places.append(here.parent / "bin")
    places += [Path(sysconfig.get_path("scripts", scheme)) for scheme in sorted(schemes)]
    for place in places:
        program = place / NAME
        if program.is_file() and os.access(program, os.X_OK):
            return str(program)
    raise FileNotFoundError(f"the program `{NAME}` is not in {', '.join(map(str, places))}: install the package again")


def version() -> str:
    """The program's version."""
    answer = subprocess.run([find_program(), "--version"], capture_output=True, text=True, check=True)
    return answer.stdout.split()[-1]


def run(words: Sequence[str], secrets: Optional[dict[str, str]] = None) -> str:
    """Runs `modelward oms` with these words; gives what a yes prints, and raises what else is said.

    Secrets go through the environment, which others can't read, unlike the command line.
    """
    environment = {**os.environ, **(secrets or {})}
    answer = subprocess.run(
        [find_program(), "oms", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if answer.returncode != 0:
        raise refusal(answer.stderr)
    return answer.stdout


def refusal(said: str) -> Refused:
    """What the program said on standard error, as an exception."""
    lines = [line for line in said.splitlines() if line.strip()]
    hints = [line[len("hint: ") :] for line in lines if line.startswith("hint: ")]
    failed = [line for line in lines if "failed with error: " in line or line.startswith("Computing digest failed: ")]
    text = failed[-1].split(": ", 1)[1] if failed else " ".join(line for line in lines if not line.startswith("hint: "))
    return Refused(text or "the program ended without an answer", " ".join(hints))


def word(path: PathLike) -> str:
    """A path as one word of a command line, that is not taken for an option."""
    text = os.fsdecode(path)
    return f"./{text}" if text.startswith("-") else text
