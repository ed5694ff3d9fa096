"""The guides' commands, as they stand there: with SoftHSM's token, and with the mocks' Sigstore for the public one."""

from pathlib import Path

from . import commands, sigstore, tokens
from .record import Record, expect

ROOT = Path(__file__).parents[2]
PAGES = {
    "sign-with-token.md": tokens.PEER,
    "sign-with-keyless.md": sigstore.MOCKS,
    "workshop.md": sigstore.MOCKS,
}


def check(record: Record, program: Path, server: Path, room: Path) -> None:
    model = room / "bert"
    (model / ".git").mkdir(parents=True)
    (model / ".git/HEAD").write_text("ref: refs/heads/main\n")
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(bytes(range(256)))
    with sigstore.served(server, room / "mocks"):
        for page, peer in PAGES.items():
            with record.check(peer, f"docs/guides/{page} runs as it stands"):
                run(program, room / "mocks/config-v2.json", model, page)


def run(program: Path, config: Path, model: Path, page: str) -> None:
    """Somebody who has a token of the provider stands for who signs in with a browser."""
    provider = f"--identity-provider {sigstore.PROVIDER}"
    put = {"you@example.com": sigstore.IDENTITY, "https://github.com/login/oauth": sigstore.PROVIDER}
    put |= {"--identity-provider github": provider}
    words = [word for this, that in put.items() for word in ("--put", this, that)]
    said = commands.output(
        ROOT / "scripts/guides", "--modelward", program, "--trust-config", config, "--have", "softhsm", "--have", "sigstore",
        "--stand-in", "bert-base-uncased", model, *words, ROOT / "docs/guides" / page,
        SIGSTORE_ID_TOKEN=config.with_name("token.jwt").read_text())
    expect(b"blocks ran" in said, said.decode())
