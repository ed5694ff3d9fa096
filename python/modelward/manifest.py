"""What a model consists of, with the names of `model_signing.manifest`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Digest:
    """A digest and what made it."""

    algorithm: str
    digest_value: bytes

    @property
    def digest_hex(self) -> str:
        """Its lower-case hexadecimal digits."""
        return self.digest_value.hex()


@dataclass(frozen=True)
class ResourceDescriptor:
    """A file of a model, or a piece of one: `PATH:START:END`."""

    identifier: str
    digest: Digest


@dataclass(frozen=True, eq=False)
class Manifest:
    """What a model consists of. Two are equal if their resources are."""

    model_name: str
    digest: Digest
    _resources: tuple[ResourceDescriptor, ...]
    _serialization: dict[str, Any] = field(default_factory=dict)

    @property
    def serialization_type(self) -> dict[str, Any]:
        """How the model was hashed, as its signature says it."""
        return dict(self._serialization)

    def resource_descriptors(self) -> Iterator[ResourceDescriptor]:
        """Each file or piece, in the order in which they are signed."""
        yield from self._resources

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Manifest) and set(self._resources) == set(other._resources)

    def __hash__(self) -> int:
        return hash(frozenset(self._resources))
