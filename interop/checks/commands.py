"""The programs that are run: ours, and other people's."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from .record import expect

TIMEOUT_SECONDS = 300


def run(*command: object, folder: Path | None = None, **variables: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=TIMEOUT_SECONDS,
        env=environment() | variables,
    )


def output(*command: object, folder: Path | None = None, **variables: str) -> bytes:
    """What a program says that must succeed."""
    ended = run(*command, folder=folder, **variables)
    expect(ended.returncode == 0, f"{command[0]} ended with {ended.returncode}: {text(ended)}")
    return ended.stdout


def refused(*command: object, status: int = 1, words: str = "", **variables: str) -> None:
    """A program must say no, by this status and with these words."""
    ended = run(*command, **variables)
    expect(ended.returncode == status, f"{command[0]} ended with {ended.returncode}: {text(ended)}")
    expect(words in text(ended), f"refused for another reason: {text(ended)}")


def text(ended: subprocess.CompletedProcess[bytes]) -> str:
    return (ended.stdout + ended.stderr).decode(errors="replace").strip()


def environment() -> dict[str, str]:
    """Nothing that somebody set for their own store reaches the checks."""
    ours = ("MODELWARD_", "OTEL_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


class Modelward:
    """Our program, with a store of its own."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self.binary = binary
        self.folder = folder
        if not self.store.exists():
            folder.mkdir(parents=True)
            self.allowed("store", "init")

    def copy(self, folder: Path) -> "Modelward":
        """The same program, with a copy of the store in place of what was in the folder."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.store, folder / self.store.name)
        return Modelward(self.binary, folder)

    @property
    def store(self) -> Path:
        return self.folder / ".modelward"

    def version(self) -> str:
        return output(self.binary, "--version").decode().split()[1]

    def command(self, *arguments: object) -> list[object]:
        return [self.binary, "--store", self.folder, "--json", *arguments]

    def allowed(self, *arguments: object, **variables: str) -> dict:
        answer = json.loads(output(*self.command(*arguments), **variables))
        expect(answer["result"] == "allowed", f"answered {answer}")
        return answer

    def refused(self, code: str, *arguments: object, **variables: str) -> dict:
        """It must answer no (or, of what it can't read, nothing), for this reason."""
        ended = run(*self.command(*arguments), **variables)
        expect(ended.returncode in (1, 2), f"ended with {ended.returncode}: {text(ended)}")
        answer = json.loads(ended.stdout)
        codes = {answer["code"]} | {reason["code"] for reason in answer.get("reasons", [])}
        expect(code in codes, f"refused for another reason: {answer}")
        return answer

    def new_key(self, name: str) -> tuple[Path, Path]:
        """The files of a new private key and of its public key."""
        public = self.folder / f"{name}.pub.pem"
        public.write_text(self.allowed("key", "new", name)["publicKey"])
        return self.store / "keys" / f"{name}.key.pem", public
