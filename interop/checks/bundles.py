"""Bundles on disk, and how an attacker changes them."""

import base64
import json
from pathlib import Path


def envelope(bundle: bytes) -> dict:
    return json.loads(bundle)["dsseEnvelope"]


def payload(bundle: bytes) -> bytes:
    return base64.b64decode(envelope(bundle)["payload"], validate=True)


def signature(bundle: bytes) -> bytes:
    return base64.b64decode(envelope(bundle)["signatures"][0]["sig"], validate=True)


def signed_bytes(bundle: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what the signature is over."""
    kind, body = envelope(bundle)["payloadType"].encode(), payload(bundle)
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)


def older_form(bundle: bytes, public_key: bytes) -> bytes:
    """As releases of model_signing before 1.1 wrote it: with the key itself, and no list of log entries."""
    older = json.loads(bundle)
    key = {"rawBytes": base64.b64encode(public_key).decode(), "keyDetails": "PKIX_ECDSA_P256_SHA_256"}
    older["verificationMaterial"] = {"publicKey": key}
    for signature in older["dsseEnvelope"]["signatures"]:
        signature["keyid"] = None
    return json.dumps(older).encode()


def change_payload(path: Path) -> None:
    """One hexadecimal digit of the last digest in the payload; it stays well-formed."""
    body = bytearray(payload(path.read_bytes()))
    at = body.rindex(b'"digest"') + len(b'"digest"')
    at = body.index(b'"', at) + 1
    body[at] = ord("1") if body[at] == ord("0") else ord("0")
    _rewrite(path, payload=bytes(body))


def change_signature(path: Path) -> None:
    """The last bit of the signature."""
    sig = bytearray(signature(path.read_bytes()))
    sig[-1] ^= 1
    _rewrite(path, sig=bytes(sig))


def _rewrite(path: Path, payload: bytes | None = None, sig: bytes | None = None) -> None:
    bundle = json.loads(path.read_bytes())
    if payload is not None:
        bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    if sig is not None:
        bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(sig).decode()
    path.write_text(json.dumps(bundle, separators=(",", ":")))
