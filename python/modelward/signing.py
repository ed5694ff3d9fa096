"""Signing a model, with the names of `model_signing.signing`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from . import _program, hashing
from ._program import PathLike, there, word


def sign(model_path: PathLike, signature_path: PathLike) -> None:
    """Signs a model with Sigstore."""
    Config().sign(model_path, signature_path)


class Config:
    """Who signs, and how the model is hashed."""

    def __init__(self) -> None:
        self._hashing_config = hashing.Config()
        self._words = ["sigstore"]
        self._environment: dict[str, str] = {}
        self._flags: dict[str, str] = {}
        # As the reference: without a signer, somebody signs in at Sigstore.
        self._asks = True

    def sign(self, model_path: PathLike, signature_path: PathLike) -> None:
        """Signs a model, and writes the signature whole or not at all.

        Raises `Refused`, which is a `ValueError`, where that can't be.
        """
        hashed = [*self._hashing_config.hash_words(), *self._hashing_config.model_words(model_path)]
        words = ["sign", *self._words, *hashed, f"--signature={word(signature_path)}", "--", word(model_path)]
        _program.run(words, environment=self._environment, flags=self._flags, asks=self._asks)

    def set_hashing_config(self, hashing_config: hashing.Config) -> Config:
        """Hashes the model in this way."""
        self._hashing_config = hashing_config
        return self

    def use_elliptic_key_signer(self, *, private_key: PathLike, password: Optional[str] = None) -> Config:
        """Signs with a private key in a file."""
        return self._use(["key", f"--private-key={word(there(private_key))}"], password)

    def use_certificate_signer(
        self,
        *,
        private_key: PathLike,
        signing_certificate: PathLike,
        certificate_chain: Iterable[PathLike],
        password: Optional[str] = None,
    ) -> Config:
        """Signs with a private key in a file that has a certificate."""
        words = ["certificate", f"--private-key={word(there(private_key))}"]
        return self._use(words + _certificates(signing_certificate, certificate_chain), password)

    def use_pkcs11_signer(self, *, pkcs11_uri: str, module_paths: Iterable[str] = frozenset()) -> Config:
        """Signs with a key on a token."""
        return self._use(["pkcs11-key"], flags={"pkcs11_uri": _with_module(pkcs11_uri, module_paths)})

    def use_pkcs11_certificate_signer(
        self,
        *,
        pkcs11_uri: str,
        signing_certificate: PathLike,
        certificate_chain: Iterable[PathLike],
        module_paths: Iterable[str] = frozenset(),
    ) -> Config:
        """Signs with a key on a token that has a certificate."""
        words = ["pkcs11-certificate", *_certificates(signing_certificate, certificate_chain)]
        return self._use(words, flags={"pkcs11_uri": _with_module(pkcs11_uri, module_paths)})

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
        """Signs with Sigstore, keylessly. Without a token somebody signs in: with a browser, or by a code that is typed."""
        if oidc_issuer is not None:
            raise ValueError("`oidc_issuer` stands in the trust configuration: give `trust_config`")
        named = {
            "--client-id": client_id,
            "--trust-config": None if trust_config is None else word(there(trust_config)),
        }
        asked = {
            "--use-ambient-credentials": use_ambient_credentials,
            "--use-staging": use_staging,
            "--oauth-force-oob": force_oob,
        }
        words = [f"{flag}={value}" for flag, value in named.items() if value is not None]
        secrets = {"identity_token": identity_token, "client_secret": client_secret}
        words = ["sigstore", *words, *(flag for flag, value in asked.items() if value)]
        asks = identity_token is None and not use_ambient_credentials
        return self._use(words, flags={name: value for name, value in secrets.items() if value is not None}, asks=asks)

    def _use(
        self,
        words: list[str],
        password: Optional[str] = None,
        *,
        flags: Optional[dict[str, str]] = None,
        asks: bool = False,
    ) -> Config:
        self._words = words
        self._environment = {} if password is None else {"MODELWARD_PASSWORD": password}
        self._flags = flags or {}
        self._asks = asks
        return self


def _certificates(certificate: PathLike, chain: Iterable[PathLike]) -> list[str]:
    named = [f"--certificate-chain={word(there(path))}" for path in chain]
    return [f"--signing-certificate={word(there(certificate))}", *named]


def _with_module(uri: str, module_paths: Iterable[str]) -> str:
    """A URI that says where its module is; the first of the paths, where it says nothing."""
    paths = list(module_paths)
    if not paths or "module-path=" in uri or "module-name=" in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}module-path={paths[0]}"
