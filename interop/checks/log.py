"""The log: the Go project's packages open its checkpoints and prove each of its entries."""

import json
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import commands
from .chain import Chain
from .record import Record, expect

PEER = "golang.org/x/mod"
# More than a full tile of 256, so that there is a second one and a level above.
ENTRIES = 270


def check(record: Record, chain: Chain, logcheck: Path, go_mod: Path, room: Path) -> None:
    peer = f"{PEER} {go_mod.read_text().split(PEER)[1].split()[0]}"
    fill(chain, room)
    log = chain.ours.store / "log"
    trust_root = tomllib.loads((chain.ours.store / "trust.toml").read_text())
    key = trust_root["log"][0]["verifier_key"]
    count = len(chain.entries())
    with record.check(peer, f"opens our checkpoints and proves {count} entries and each earlier head in our tiles"):
        said = json.loads(commands.output(logcheck, "log", log, key))
        expect(said == {"entries": count, "checkpoints": count}, f"found {said}")
    for name, change, words in changes():
        with record.check(peer, f"and `modelward log verify` both refuse our log: {name}"):
            copy = chain.ours.copy(room / "changed")
            change(copy.store / "log")
            commands.refused(logcheck, "log", copy.store / "log", key, words=words)
            copy.refused("log_inconsistent", "log", "verify")
    with record.check(peer, "refuses our log under another key"):
        commands.refused(logcheck, "log", log, other_key(key), words="verifier key")
    check_proofs(record, peer, chain, logcheck, key, room)
    check_served(record, peer, chain, logcheck, key, room)


def check_served(record: Record, peer: str, chain: Chain, logcheck: Path, key: str, room: Path) -> None:
    """The same log by HTTP, and one that goes on while it is read."""
    kept = room / "kept"
    kept.write_bytes(commands.output(chain.ours.binary, "--store", chain.ours.folder, "log", "checkpoint"))
    model = room / "model.bin"
    with serving(chain) as address:
        with record.check(peer, "reads our log by HTTP and proves each entry, and a kept head after the log grew"):
            said = json.loads(commands.output(logcheck, "served", f"http://{address}", key))
            expect(said["entries"] == len(chain.entries()), f"found {said}")
            model.write_text("one more")
            chain.ours.allowed("sign", model)
            said = json.loads(commands.output(logcheck, "served", f"http://{address}", key, kept))
            expect(said == {"entries": len(chain.entries()), "kept": 1}, f"found {said}")
        with record.check(peer, "refuses our served log under another key"):
            commands.refused(logcheck, "served", f"http://{address}", other_key(key), words="verifier key")


@contextmanager
def serving(chain: Chain) -> Iterator[str]:
    """Where the store's log is shown. The server must end by itself when it is asked to."""
    command = chain.ours.command("serve", "--role", "log", "--http", "127.0.0.1:0")
    server = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, env=commands.environment())
    try:
        said = json.loads(server.stdout.readline())
        expect(said["result"] == "allowed", f"did not start: {said}")
        yield said["address"]
        server.terminate()
        expect(server.wait(20) == 0, "did not stop as asked")
    finally:
        server.kill()
        server.wait()


def fill(chain: Chain, room: Path) -> None:
    room.mkdir(parents=True)
    model = room / "model.bin"
    for number in range(ENTRIES - len(chain.entries())):
        model.write_text(f"{number}")
        chain.ours.allowed("sign", model)


def changes() -> list[tuple[str, Callable[[Path], None], str]]:
    """What happens to the folder, and what the packages say then."""
    last = f"001.p/{ENTRIES % 256}"
    return [
        ("an entry changed", flipping("tile/entries/000"), "invalid transparency proof"),
        ("the last entry changed", flipping(f"tile/entries/{last}"), "invalid transparency proof"),
        ("a hash changed", flipping("tile/0/000"), "inconsistent tile"),
        ("the last hash changed", flipping(f"tile/0/{last}"), "inconsistent tile"),
        ("a hash of the upper level changed", flipping("tile/1/000.p/1"), "inconsistent tile"),
        ("the head changed", flipping("checkpoint"), "checkpoint"),
        ("an earlier head changed", flipping("checkpoints", before_end=9_000), "checkpoint"),
        ("a head older than the list of them", put_older_head, "newer than the head"),
    ]


def flipping(name: str, before_end: int = 3) -> Callable[[Path], None]:
    """Changes a byte near the end: in entries, none that says how long one is."""

    def change(log: Path) -> None:
        path = log / name
        content = bytearray(path.read_bytes())
        content[len(content.rstrip()) - before_end] ^= 1
        path.write_bytes(content)

    return change


def put_older_head(log: Path) -> None:
    text, signature = (log / "checkpoints").read_text().split("\n\n")[:2]
    (log / "checkpoint").write_text(f"{text}\n\n{signature}\n")


def other_key(key: str) -> str:
    name, number, public = key.split("+", 2)
    return f"{name}+{int(number, 16) ^ 1:08x}+{public}"


def check_proofs(record: Record, peer: str, chain: Chain, logcheck: Path, key: str, room: Path) -> None:
    """Offline proofs, of the first entry, one in the middle and the last."""
    proof, entry = room / "proof", room / "entry"
    for index in (0, 255, ENTRIES - 1):
        proof.write_bytes(commands.output(chain.ours.binary, "--store", chain.ours.folder, "log", "proof", index))
        entry.write_bytes(line(chain.ours.store / "log", index))
        with record.check(peer, f"checks our offline proof of entry {index}"):
            commands.output(logcheck, "proof", proof, entry, key)
        with record.check(peer, f"refuses our offline proof of entry {index} for another entry"):
            entry.write_bytes(entry.read_bytes() + b" ")
            commands.refused(logcheck, "proof", proof, entry, key, words="invalid")


def line(log: Path, index: int) -> bytes:
    """An entry, read from its tile by the layout's rules."""
    number, within = divmod(index, 256)
    tile = log / f"tile/entries/{number:03}"
    content = (tile if tile.exists() else next(Path(f"{tile}.p").iterdir())).read_bytes()
    for _ in range(within):
        content = content[2 + int.from_bytes(content[:2]) :]
    return content[2 : 2 + int.from_bytes(content[:2])]
