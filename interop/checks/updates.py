"""A repository of updates by python-tuf: our client follows it, and both refuse what is turned back, held back or unsigned."""

import functools
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.ngclient import Updater

from .commands import Modelward
from .record import Record, expect

PEER = f"tuf {version('tuf')}"
FILE = "trusted_root.json"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Repository:
    """Roots and targets are signed by two of three ECDSA and Ed25519 keys, the rest by one."""

    def __init__(self, folder: Path, file: bytes) -> None:
        self.folder = folder
        self.folder.mkdir()
        self.file = file
        self.offline = [CryptoSigner.generate_ecdsa(), CryptoSigner.generate_ed25519(), CryptoSigner.generate_ecdsa()]
        self.online = CryptoSigner.generate_ecdsa()
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
        self.root = Root(expires=until, consistent_snapshot=True)
        self.timestamp = Timestamp(expires=until)
        self.snapshot = Snapshot(expires=until)
        self.targets = Targets(expires=until)
        for signer in self.offline:
            self.root.add_key(signer.public_key, "root")
            self.root.add_key(signer.public_key, "targets")
        for role in ("timestamp", "snapshot"):
            self.root.add_key(self.online.public_key, role)
        for role in ("root", "targets"):
            self.root.roles[role].threshold = 2
        self.write_root(self.offline[:2])
        self.first_root = (self.folder / "1.root.json").read_bytes()

    def write_root(self, signers: list[CryptoSigner]) -> None:
        self.write(f"{self.root.version}.root.json", self.root, signers)

    def write(self, name: str, signed: object, signers: list[CryptoSigner]) -> bytes:
        metadata = Metadata(signed)
        for signer in signers:
            metadata.sign(signer, append=True)
        data = metadata.to_bytes()
        (self.folder / name).write_bytes(data)
        return data

    def publish(self, signers: int = 2) -> None:
        self.targets.targets[FILE] = TargetFile.from_data(FILE, self.file, ["sha256", "sha512"])
        (self.folder / "targets").mkdir(exist_ok=True)
        (self.folder / "targets" / f"{sha256(self.file).hexdigest()}.{FILE}").write_bytes(self.file)
        data = self.write(f"{self.targets.version}.targets.json", self.targets, self.offline[:signers])
        self.snapshot.meta["targets.json"] = MetaFile.from_data(self.targets.version, data, ["sha256"])
        data = self.write(f"{self.snapshot.version}.snapshot.json", self.snapshot, [self.online])
        self.timestamp.snapshot_meta = MetaFile.from_data(self.snapshot.version, data, ["sha256"])
        self.write("timestamp.json", self.timestamp, [self.online])

    def raise_all(self, by: int = 1) -> None:
        for signed in (self.timestamp, self.snapshot, self.targets):
            signed.version += by


def check(record: Record, ours: Modelward, config: Path, room: Path) -> None:
    room.mkdir(parents=True)
    root = json.loads(config.read_bytes())["trustedRoot"]
    repository = Repository(room / "repository", json.dumps(root).encode())
    repository.publish()
    first = room / "root.json"
    first.write_bytes(repository.first_root)
    with served(repository.folder) as url:
        Check(record, ours, repository, url, room).all()


class Check:
    def __init__(self, record: Record, ours: Modelward, repository: Repository, url: str, room: Path) -> None:
        self.record = record
        self.ours = ours
        self.repository = repository
        self.url = url
        self.room = room
        self.fetched = room / "fetched.json"
        words = ("keyless", "refresh", "--url", url, "--root", room / "root.json", "--to", self.fetched)
        self.words = words
        self.variables = {"XDG_DATA_HOME": str(room / "data")}

    def all(self) -> None:
        with self.record.check(PEER, "makes a repository that our client follows, as its own does"):
            self.followed()
        with self.record.check(PEER, "makes a next root with other keys, which both follow"):
            self.rotate()
            self.followed()
        with self.record.check(PEER, "makes newer files, which both fetch"):
            self.repository.raise_all(5)
            self.repository.file += b" "
            self.repository.publish()
            self.followed()
        for what, code, change in (
            ("older files", "update_rolled_back", lambda: self.repository.raise_all(-3)),
            ("targets that one key signed", "update_untrusted", lambda: self.repository.raise_all()),
            ("files whose time is over", "update_expired", self.expire),
        ):
            with self.record.check(PEER, f"makes {what}, which both refuse"):
                self.refused(code, change, signers=1 if "one key" in what else 2)

    def followed(self) -> None:
        self.ours.allowed(*self.words, **self.variables)
        expect(self.fetched.read_bytes() == self.repository.file, "another file was fetched")
        expect(self.theirs(self.room / "theirs") == self.repository.file, "its own client fetched another")

    def theirs(self, folder: Path) -> bytes:
        folder.mkdir(exist_ok=True)
        updater = Updater(
            str(folder), self.url, str(folder), f"{self.url}/targets/", bootstrap=self.repository.first_root
        )
        return Path(updater.download_target(updater.get_targetinfo(FILE))).read_bytes()

    def rotate(self) -> None:
        repository = self.repository
        old, new = repository.offline[0], CryptoSigner.generate_ecdsa()
        for role in ("root", "targets"):
            repository.root.revoke_key(old.public_key.keyid, role)
            repository.root.add_key(new.public_key, role)
        repository.root.version += 1
        before = repository.offline[:2]
        repository.offline = [new, *repository.offline[1:]]
        repository.write_root([*before, new])
        repository.raise_all()
        repository.publish()

    def expire(self) -> None:
        self.repository.raise_all()
        self.repository.timestamp.expires = datetime(2026, 1, 1, tzinfo=UTC)

    def refused(self, code: str, change: Callable[[], None], signers: int) -> None:
        files = {path: path.read_bytes() for path in self.repository.folder.rglob("*") if path.is_file()}
        versions = {
            name: (getattr(self.repository, name).version, getattr(self.repository, name).expires)
            for name in ("timestamp", "snapshot", "targets")
        }
        change()
        self.repository.publish(signers)
        self.ours.refused(code, *self.words, **self.variables)
        # Its client keeps what it believed before it refused; the next check begins without that.
        copy = Path(shutil.copytree(self.room / "theirs", self.room / code))
        try:
            self.theirs(copy)
            expect(False, "its own client took it")
        except RepositoryError:
            pass
        for name, (number, expires) in versions.items():
            getattr(self.repository, name).version = number
            getattr(self.repository, name).expires = expires
        for path in list(self.repository.folder.rglob("*")):
            if path.is_file() and path not in files:
                path.unlink()
        for path, data in files.items():
            path.write_bytes(data)
        self.followed()
