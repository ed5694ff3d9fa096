"""Verifying a model, with the names of `model_signing.verifying`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from . import _program, hashing
from ._program import PathLike, there, word


class Config:
    """Who is believed, and what may lie beside the signed files."""

    def __init__(self) -> None:
        self._hashing_config = hashing.Config()
        self._words: list[str] = []
        self._ignore_unsigned_files = False

    def verify(self, model_path: PathLike, signature_path: PathLike) -> None:
        """Verifies that a model is as it was signed.

        Raises `Refused`, which is a `ValueError`, where it is not.
        """
        _program.run(["verify", *self.words(model_path, signature_path)])

    def words(self, model_path: PathLike, signature_path: PathLike) -> list[str]:
        """What is asked, as the words after `verify`."""
        if not self._words:
            raise ValueError("Attempting to verify with no configured verifier")
        words = [*self._words, *self._hashing_config.model_words(model_path)]
        if self._ignore_unsigned_files:
            words.append("--ignore-unsigned-files")
        return [*words, f"--signature={word(signature_path)}", "--", word(model_path)]

    def set_hashing_config(self, hashing_config: hashing.Config) -> Config:
        """Leaves out the paths that this leaves out. How files are hashed is what the signature says."""
        self._hashing_config = hashing_config
        return self

    def set_ignore_unsigned_files(self, ignore_unsigned_files: bool) -> Config:
        """Whether files that nobody signed may lie beside the signed ones."""
        self._ignore_unsigned_files = ignore_unsigned_files
        return self

    def use_elliptic_key_verifier(self, *, public_key: PathLike) -> Config:
        """Believes who has this key."""
        self._words = ["key", f"--public-key={word(there(public_key))}"]
        return self

    def use_certificate_verifier(
        self,
        *,
        certificate_chain: Iterable[PathLike] = frozenset(),
        log_fingerprints: bool = False,
        certificate_identity: Optional[str] = None,
    ) -> Config:
        """Believes whom these authorities certified; with an identity, that one alone."""
        words = ["certificate", *(f"--certificate-chain={word(there(path))}" for path in certificate_chain)]
        words += ["--log-fingerprints"] if log_fingerprints else []
        words += [] if certificate_identity is None else [f"--certificate-identity={certificate_identity}"]
        self._words = words
        return self

    def use_sigstore_verifier(
        self,
        *,
        identity: str,
        oidc_issuer: str,
        use_staging: bool = False,
        trust_config: Optional[PathLike] = None,
    ) -> Config:
        """Believes this identity, by word of this provider, as Sigstore's logs have it."""
        words = ["sigstore", f"--identity={identity}", f"--identity-provider={oidc_issuer}"]
        words += ["--use-staging"] if use_staging else []
        words += [] if trust_config is None else [f"--trust-config={word(there(trust_config))}"]
        self._words = words
        return self
