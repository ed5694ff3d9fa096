"""Models as OCI artifacts: pushed and signed with the ORAS project's client to the Go project's registry, and into a layout.
The reference signs the folder that is pushed, and verifies the one that is pulled."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import bundles, commands, oms
from .commands import Modelward
from .methods import key
from .oms import PEER_COMMAND
from .record import Record, expect

PEER = "oras 1.3.3"
DEBIANS = "Debian's docker-registry"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
FILES = ["config.json", "tokenizer/vocab.txt", "tokenizer.json", "weights.bin"]


class Peers:
    """Their client, their registry, and a key."""

    def __init__(self, oras: Path, registry: Path, ours: Modelward, room: Path) -> None:
        self.client, self.server, self.ours, self.room = oras, registry, ours, room
        self.private, self.public = key(room, "P-256", "prime256v1")

    @contextmanager
    def registry(self, *words: str) -> Iterator[str]:
        with subprocess.Popen([self.server, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            yield server.stdout.readline().strip()
            server.stdin.close()

    def oras(self, folder: Path, *words: object) -> bytes:
        ended = subprocess.run([self.client, *map(str, words)], cwd=folder, capture_output=True, stdin=subprocess.DEVNULL,
                               timeout=commands.TIMEOUT_SECONDS, env=commands.environment(), check=False)
        expect(ended.returncode == 0, f"oras {words[0]}: {commands.text(ended)}")
        return ended.stdout

    def push(self, model: Path, where: str, *words: str) -> str:
        self.oras(model, "push", *words, where, *FILES)
        return json.loads(self.oras(model, "manifest", "fetch", "--descriptor", *words, where))["digest"]

    def attach(self, signature: Path, where: str, *words: str) -> None:
        self.oras(signature.parent, "attach", *words, "--artifact-type", BUNDLE, where, f"{signature.name}:{BUNDLE}")

    def verify(self, where: str, *words: object) -> list:
        return ["verify", where, "--public-key", self.public, *words]


def check(record: Record, ours: Modelward, oras: Path, registry: Path, room: Path) -> None:
    room.mkdir(parents=True)
    peers = Peers(oras, registry, ours, room)
    for what, words in (("with a list of referrers", ["referrers"]), ("without one, by the fallback tag", [])):
        with record.check(PEER, f"pushes a model and its signature to a registry {what}, and we verify both there"):
            with peers.registry(*words) as host:
                in_registry(peers, host, room / f"registry-{len(words)}", "referrers" if words else "fallback tag")
    with record.check(PEER, "copies both into an image layout, and we verify them there"):
        in_layout(peers, room / "layout")
    with record.check(PEER, "pulls what we signed by its manifest, and model_signing verifies the files"):
        by_manifest(peers, room / "manifest")
    for what, words in (("a list of referrers", ["referrers"]), ("the fallback tag", [])):
        with record.check(PEER, f"finds and pulls what we pushed, by {what}, and we pull what it pushed"):
            with peers.registry(*words) as host:
                pushed(peers, host, room / f"pushed-{len(words)}")
    with record.check(DEBIANS, "takes what we push, from two at once, and gives it back"):
        with debians(room / "debians") as host:
            pushed(peers, host, room / "pushed-debians")
            at_once(peers, host, room / "at-once")


def in_registry(peers: Peers, host: str, room: Path, place: str) -> None:
    """The reference signs the folder; what was pushed is as it was signed."""
    model, where = room / "model", f"{host}/m:v1"
    oms.fill(model, FILES)
    signature = room / "model.sig"
    commands.output(*PEER_COMMAND, "sign", "key", model, "--private_key", peers.private, "--signature", signature)
    digest = peers.push(model, where, "--plain-http")
    at = f"oci://{host}/m@{digest}"
    peers.ours.refused("signature_missing", *peers.verify(at))
    peers.attach(signature, where, "--plain-http")
    answer = peers.ours.allowed(*peers.verify(at))
    expect(answer["manifest"] == digest and answer["read"] is False, f"answered {answer}")
    expect(answer["signature"].startswith(place), f"found by {answer['signature']}")
    peers.ours.allowed(*peers.verify(f"oci://{where}"))
    _, other = key(room, "P-384", "secp384r1")
    peers.ours.refused("key_unknown", "verify", at, "--public-key", other)
    # Another model under the same tag, with the first one's signature.
    oms.flip(model / "weights.bin")
    peers.push(model, where, "--plain-http")
    peers.ours.refused("signature_missing", *peers.verify(f"oci://{where}"))
    peers.attach(signature, where, "--plain-http")
    peers.ours.refused("digest_mismatch", *peers.verify(f"oci://{where}"))
    peers.ours.allowed(*peers.verify(at))


@contextmanager
def debians(room: Path) -> Iterator[str]:
    """The registry that Debian has, which keeps no list of referrers."""
    server = shutil.which("docker-registry")
    expect(server, "docker-registry is not here: apt-get install docker-registry")
    room.mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    settings = room / "registry.yml"
    settings.write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {room}/data}}}}\nhttp: {{addr: '{host}'}}\n")
    with (room / "log").open("wb") as log, subprocess.Popen([server, "serve", settings], stdout=log, stderr=log) as running:
        try:
            for _ in range(100):
                with socket.socket() as asked:
                    if asked.connect_ex(("127.0.0.1", int(host.split(":")[1]))) == 0:
                        break
                time.sleep(0.1)
            yield host
        finally:
            running.terminate()


def pushed(peers: Peers, host: str, room: Path) -> None:
    """What we push has our digest there, is listed by their client, and is pulled by it; and the other way round."""
    model, where = room / "model", f"{host}/p:v1"
    oms.fill(model, FILES)
    signature = room / "model.sig"
    peers.ours.allowed("sign", model, "--private-key", peers.private, "--signature", signature)
    answer = peers.ours.allowed("push", model, f"oci://{where}", "--signature", signature, "--no-statements", "--att")
    fetched = json.loads(peers.oras(room, "manifest", "fetch", "--descriptor", "--plain-http", where))
    expect(fetched["digest"] == answer["model"], f"it is {fetched}")
    found = json.loads(peers.oras(room, "discover", "--plain-http", "--format", "json", where))
    expect(len(found["referrers"]) == 1, f"it finds {found}")
    peers.ours.allowed(*peers.verify(f"oci://{where}"))
    theirs = room / "theirs"
    theirs.mkdir()
    peers.oras(theirs, "pull", "--plain-http", where)
    peers.ours.allowed(*peers.verify(str(theirs), "--signature", signature))
    peers.push(model, f"{host}/q:v1", "--plain-http")
    ours = room / "ours"
    peers.ours.allowed("pull", f"oci://{host}/q:v1", "--to", ours)
    peers.ours.allowed(*peers.verify(str(ours), "--signature", signature))
    oms.flip(model / "weights.bin")
    peers.ours.refused("digest_mismatch", "push", model, f"oci://{where.replace(':v1', '')}@{answer['model']}")


def at_once(peers: Peers, host: str, room: Path) -> None:
    model = room / "model"
    oms.fill(model, FILES)
    answer = peers.ours.allowed("push", model, f"oci://{host}/two:v1", "--no-statements")
    writers = []
    for name in ("one", "other"):
        (room / name).mkdir()
        private, _ = key(room / name, "P-256", "prime256v1")
        signature = room / f"{name}.sig"
        peers.ours.allowed("sign", model, "--private-key", private, "--signature", signature)
        words = ("push", model, answer["artifact"], "--signature", signature, "--no-statements")
        writers.append(subprocess.Popen(peers.ours.command(*words), env=commands.environment(), stdout=subprocess.DEVNULL))
    expect([writer.wait() for writer in writers] == [0, 0], "one of two writers failed")
    tag = answer["model"].replace(":", "-")
    listed = json.loads(peers.oras(room, "manifest", "fetch", "--plain-http", f"{host}/two:{tag}"))
    expect(len(listed["manifests"]) == 2, f"listed are {listed}")


def in_layout(peers: Peers, room: Path) -> None:
    model, layout = room / "model", room / "layout"
    oms.fill(model, FILES)
    signature = room / "model.sig"
    commands.output(*PEER_COMMAND, "sign", "key", model, "--private_key", peers.private, "--signature", signature)
    digest = peers.push(model, f"{layout}:v1", "--oci-layout")
    peers.ours.refused("signature_missing", *peers.verify(f"oci-layout://{layout}:v1"))
    peers.attach(signature, f"{layout}:v1", "--oci-layout")
    answer = peers.ours.allowed(*peers.verify(f"oci-layout://{layout}"))
    expect(answer["manifest"] == digest, f"answered {answer}")
    with peers.registry("referrers") as host:
        peers.oras(room, "copy", "--recursive", "--from-oci-layout", f"{layout}:v1", "--to-plain-http", f"{host}/n:v1")
        peers.ours.allowed(*peers.verify(f"oci://{host}/n:v1"))
        copy = room / "copy"
        peers.oras(room, "copy", "--recursive", "--from-plain-http", f"{host}/n:v1", "--to-oci-layout", f"{copy}:v1")
    peers.ours.allowed(*peers.verify(f"oci-layout://{copy}:v1"))
    bundle = next(path for path in (copy / "blobs/sha256").iterdir() if b"dsseEnvelope" in path.read_bytes())
    bundles.change_signature(bundle)
    peers.ours.refused("digest_mismatch", *peers.verify(f"oci-layout://{copy}:v1"))


def by_manifest(peers: Peers, room: Path) -> None:
    """We sign without the files; whoever pulls them verifies them with the reference."""
    model, pulled, manifest = room / "model", room / "pulled", room / "manifest.json"
    oms.fill(model, FILES)
    with peers.registry("referrers") as host:
        where = f"{host}/m:v1"
        digest = peers.push(model, where, "--plain-http")
        manifest.write_bytes(peers.oras(room, "manifest", "fetch", "--plain-http", where))
        shutil.rmtree(model)
        answer = peers.ours.allowed("sign", f"oci-manifest://{manifest}", "--private-key", peers.private)
        expect(answer["manifest"] == digest, f"answered {answer}")
        signature = room / "manifest.json.sig"
        peers.attach(signature, where, "--plain-http")
        peers.ours.allowed(*peers.verify(f"oci://{where}"))
        pulled.mkdir()
        peers.oras(pulled, "pull", "--plain-http", where)
    verify = (*PEER_COMMAND, "verify", "key", pulled, "--signature", signature, "--public_key", peers.public)
    expect(b"Verification succeeded" in commands.output(*verify), "the reference refuses it")
    peers.ours.allowed(*peers.verify(str(pulled), "--signature", signature))
    oms.flip(pulled / "weights.bin")
    commands.refused(*verify, words="Signature mismatch")
