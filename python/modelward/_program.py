"""The program that came with this package, and its answers."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Optional, TextIO, Union

PathLike = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]

NAME = "modelward"

LOGGER = logging.getLogger(NAME)
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}

if TYPE_CHECKING:

    class _Invalid(Exception): ...

else:
    try:
        # Where it is installed anyway, programs that catch its exception go on doing so.
        from cryptography.exceptions import InvalidSignature as _Invalid
    except ImportError:
        _Invalid = Exception


class Refused(ValueError):
    """The answer is no, or there is none. `hint` says what to do."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


class NotFound(Refused, FileNotFoundError):
    """A file that was named is not there."""


class InvalidSignature(Refused, _Invalid):
    """The signature is not by the key that it names: it, or what it signs, was changed.

    It is `cryptography.exceptions.InvalidSignature` too, where that package is installed.
    """


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


def run(
    words: Sequence[str],
    *,
    environment: Optional[dict[str, str]] = None,
    flags: Optional[Mapping[str, Any]] = None,
    asks: bool = False,
) -> str:
    """Runs `modelward oms` with these words; gives what a yes prints, logs what it warns of, and raises what else is said.

    Passwords go through the `environment`; other secrets, and whatever may be long, go as `flags` through a file that has no
    name: the command line is for all to read. `asks` says that somebody may have to sign in: then standard input is theirs, and
    what they are asked is on standard error at once.
    """
    with _nameless(flags) as (descriptors, named):
        process = subprocess.Popen(
            [find_program(), "oms", *voice(), *named, *words],
            stdin=None if asks else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=descriptors,
            env={**os.environ, **(environment or {})},
        )
        listening = Listening(sys.stderr if asks else None)
        with process:
            thread = threading.Thread(target=listening.hear, args=(process.stderr,))
            thread.start()
            said = process.stdout.read().decode(errors="replace") if process.stdout else ""
            thread.join()
    if process.returncode != 0:
        raise refusal(listening.rest)
    for line in said.splitlines():
        if line.startswith("WARNING: "):
            LOGGER.warning("%s", line[len("WARNING: ") :].strip())
    return said


class Listening:
    """What the program says on standard error: what it tells is logged, and the rest is kept."""

    def __init__(self, person: Optional[TextIO] = None) -> None:
        self.rest = ""
        self._person = person

    def hear(self, stream: Optional[IO[bytes]]) -> None:
        """Reads all of it, line by line."""
        for line in stream or ():
            text = line.decode(errors="replace")
            told = _told(text)
            if told is not None:
                LOGGER.log(*told)
                continue
            self.rest += text
            if self._person is not None and not _is_refusal(text):
                self._person.write(text)
                self._person.flush()


def _told(line: str) -> Optional[tuple[int, str]]:
    if not line.startswith("{"):
        return None
    try:
        read = json.loads(line)
        return LEVELS[read["level"]], str(read["msg"])
    except (KeyError, TypeError, ValueError):
        return None


def _is_refusal(line: str) -> bool:
    return "failed with error: " in line or line.startswith(("Computing digest failed: ", "hint: "))


def voice() -> list[str]:
    """The words that say how much is told, and that it is told so that it can be logged."""
    level = "debug" if LOGGER.isEnabledFor(logging.DEBUG) else "info"
    return ["--log-format=json", f"--log-level={level}"]


@contextlib.contextmanager
def _nameless(flags: Optional[Mapping[str, Any]]) -> Iterator[tuple[tuple[int, ...], list[str]]]:
    """A file of flags that nobody else can open, and the word that names it."""
    if not flags:
        yield (), []
        return
    with open(os.memfd_create("flags"), "wb") as file:
        file.write(json.dumps(dict(flags)).encode())
        file.flush()
        yield (file.fileno(),), [f"--json=/dev/fd/{file.fileno()}"]


def refusal(said: str) -> Refused:
    """What the program said on standard error, as an exception."""
    lines = [line for line in said.splitlines() if line.strip()]
    hints = [line[len("hint: ") :] for line in lines if line.startswith("hint: ")]
    failed = [line for line in lines if _is_refusal(line) and not line.startswith("hint: ")]
    text = failed[-1].split(": ", 1)[1] if failed else " ".join(line for line in lines if not line.startswith("hint: "))
    kind: type[Refused] = Refused
    if text.startswith("[Errno 2] "):
        kind = NotFound
    elif "the signature is not by the key" in text:
        kind = InvalidSignature
    return kind(text or "the program ended without an answer", " ".join(hints))


def there(path: PathLike) -> PathLike:
    """The path of a file that is there."""
    os.stat(path)
    return path


def word(path: PathLike) -> str:
    """A path as one word of a command line, that is not taken for an option."""
    text = os.fsdecode(path)
    return f"./{text}" if text.startswith("-") else text
