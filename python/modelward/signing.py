"""Signing a model, with the names of `model_signing.signing`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from . import _program, hashing
from ._program import PathLike, word


def sign(model_path: PathLike, signature_path: PathLike) -> None:
    """Signs a model with Sigstore."""
    Config().sign(model_path, signature_path)


class Config:
    """Who signs, and how the model is hashed."""

    def __init__(self) -> None:
        self._hashing_config = hashing.Config()
        self._words = ["sigstore"]
        self._secrets: dict[str, str] = {}

    def sign(self, model_path: PathLike, signature_path: PathLike) -> None:
        """Signs a model, and writes the signature whole or not at all.

        Raises `Refused`, which is a `ValueError`, where that can't be.
        """
        hashed = [*self._hashing_config.hash_words(), *self._hashing_config.model_words(model_path)]
        words = ["sign", *self._words, *hashed, f"--signature={word(signature_path)}", "--", word(model_path)]
        _program.run(words, self._secrets)

    def set_hashing_config(self, hashing_config: hashing.Config) -> Config:
        """Hashes the model in this way."""
        self._hashing_config = hashing_config
        return self

    def use_elliptic_key_signer(self, *, private_key: PathLike, password: Optional[str] = None) -> Config:
        """Signs with a private key in a file."""
        return self._use(["key", f"--private-key={word(private_key)}"], password)

    def use_certificate_signer(
        self,
        *,
        private_key: PathLike,
        signing_certificate: PathLike,
        certificate_chain: Iterable[PathLike],
        password: Optional[str] = None,
    ) -> Config:
        """Signs with a private key in a file that has a certificate."""
        words = ["certificate", f"--private-key={word(private_key)}"]
        return self._use(words + _certificates(signing_certificate, certificate_chain), password)

    def use_pkcs11_signer(self, *, pkcs11_uri: str, module_paths: Iterable[str] = frozenset()) -> Config:
        """Signs with a key on a token."""
        return self._use(["pkcs11-key", f"--pkcs11-uri={_with_module(pkcs11_uri, module_paths)}"])

    def use_pkcs11_certificate_signer(
        self,
        *,
        pkcs11_uri: str,
        signing_certificate: PathLike,
        certificate_chain: Iterable[PathLike],
        module_paths: Iterable[str] = frozenset(),
    ) -> Config:
        """Signs with a key on a token that has a certificate."""
        words = ["pkcs11-certificate", f"--pkcs11-uri={_with_module(pkcs11_uri, module_paths)}"]
        return self._use(words + _certificates(signing_certificate, certificate_chain))

    def use_sigstore_signer(
        self,
        *,
        oidc_issuer: Optional[str] = None,
        use_ambient_credentials: bool = False,
        use_staging: bool = False,
        force_oob: bool = False,
        identity_token: Optional[str] = None,
        client_id: Optional[str] = None,
        client_secret: Optional[str] = None,
        trust_config: Optional[PathLike] = None,
    ) -> Config:
        """Signs with Sigstore, keylessly."""
        if oidc_issuer is not None:
            raise ValueError("`oidc_issuer` stands in the trust configuration: give `trust_config`")
        named = {
            "--identity-token": identity_token,
            "--client-id": client_id,
            "--client-secret": client_secret,
            "--trust-config": None if trust_config is None else word(trust_config),
        }
        asked = {
            "--use-ambient-credentials": use_ambient_credentials,
            "--use-staging": use_staging,
            "--oauth-force-oob": force_oob,
        }
        words = [f"{flag}={value}" for flag, value in named.items() if value is not None]
        return self._use(["sigstore", *words, *(flag for flag, value in asked.items() if value)])

    def _use(self, words: list[str], password: Optional[str] = None) -> Config:
        self._words = words
        self._secrets = {} if password is None else {"MODELWARD_PASSWORD": password}
        return self


def _certificates(certificate: PathLike, chain: Iterable[PathLike]) -> list[str]:
    return [f"--signing-certificate={word(certificate)}", *(f"--certificate-chain={word(path)}" for path in chain)]


def _with_module(uri: str, module_paths: Iterable[str]) -> str:
    """A URI that says where its module is; the first of the paths, where it says nothing."""
    paths = list(module_paths)
    if not paths or "module-path=" in uri or "module-name=" in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}module-path={paths[0]}"
