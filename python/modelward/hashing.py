"""How a model is hashed, with the names of `model_signing.hashing`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Optional

from . import _program
from ._program import PathLike

Algorithm = Literal["sha256", "blake2", "blake2b", "blake3"]

SHARD_SIZE = 1_000_000_000


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


@dataclass(frozen=True)
class Manifest:
    """What a model consists of."""

    model_name: str
    digest: Digest
    _resources: tuple[ResourceDescriptor, ...]

    def resource_descriptors(self) -> Iterator[ResourceDescriptor]:
        """Each file or piece, in the order in which they are signed."""
        yield from self._resources


def hash(model_path: PathLike) -> Manifest:  # noqa: A001 - the reference's name
    """Hashes a model whole and by SHA-256."""
    return Config().hash(model_path)


class Config:
    """How a model is hashed; by default whole files, by SHA-256, without git's own files and without links."""

    def __init__(self) -> None:
        self._algorithm: Algorithm = "sha256"
        self._shard_size: Optional[int] = None
        self._ignored_paths: list[str] = []
        self._ignore_git_paths = True
        self._allow_symlinks = False

    def hash(self, model_path: PathLike) -> Manifest:
        """Hashes a model."""
        words = ["digest", "--resources", *self.hash_words(), *self.model_words(model_path)]
        read = json.loads(_program.run([*words, "--", _program.word(model_path)]))
        resources = (
            ResourceDescriptor(item["name"], Digest(item["algorithm"], bytes.fromhex(item["digest"])))
            for item in read["resources"]
        )
        return Manifest(read["name"], Digest("sha256", bytes.fromhex(read["digest"])), tuple(resources))

    def use_file_serialization(
        self,
        *,
        hashing_algorithm: Algorithm = "sha256",
        chunk_size: int = 1 << 20,
        max_workers: Optional[int] = None,
        allow_symlinks: bool = False,
        ignore_paths: Iterable[PathLike] = frozenset(),
    ) -> Config:
        """Hashes whole files. `chunk_size` and `max_workers` have no effect: all cores are used as they are."""
        del chunk_size, max_workers
        self._algorithm, self._shard_size = hashing_algorithm, None
        return self._also(allow_symlinks, ignore_paths)

    def use_shard_serialization(
        self,
        *,
        hashing_algorithm: Algorithm = "sha256",
        chunk_size: int = 1 << 20,
        shard_size: int = SHARD_SIZE,
        max_workers: Optional[int] = None,
        allow_symlinks: bool = False,
        ignore_paths: Iterable[PathLike] = frozenset(),
    ) -> Config:
        """Hashes pieces of files, so that one large file is hashed on all cores. BLAKE3 hashes whole files so anyway."""
        del chunk_size, max_workers
        self._algorithm = hashing_algorithm
        self._shard_size = None if hashing_algorithm == "blake3" else shard_size
        return self._also(allow_symlinks, ignore_paths)

    def set_ignored_paths(self, *, paths: Iterable[PathLike], ignore_git_paths: bool = True) -> Config:
        """Leaves these paths of the model out, and all below them. They begin in the model."""
        self._ignored_paths = [os.fsdecode(path) for path in paths]
        self._ignore_git_paths = ignore_git_paths
        return self

    def add_ignored_paths(self, *, model_path: PathLike, paths: Iterable[PathLike]) -> None:
        """Leaves these paths out too."""
        del model_path
        self._ignored_paths += [os.fsdecode(path) for path in paths]

    def set_allow_symlinks(self, allow_symlinks: bool) -> Config:
        """Follows symbolic links that stay in the model, or in the repository of a Hugging Face cache."""
        self._allow_symlinks = allow_symlinks
        return self

    def _also(self, allow_symlinks: bool, ignore_paths: Iterable[PathLike]) -> Config:
        self._allow_symlinks = self._allow_symlinks or allow_symlinks
        self._ignored_paths += [os.fsdecode(path) for path in ignore_paths]
        return self

    def hash_words(self) -> list[str]:
        """The words that say how it is hashed."""
        words = [] if self._algorithm == "sha256" else [f"--hash-algorithm={self._algorithm}"]
        return words if self._shard_size is None else [*words, f"--shard-size={self._shard_size}"]

    def model_words(self, model_path: PathLike) -> list[str]:
        """The words that say what of the model is looked at."""
        model = os.path.abspath(os.fsdecode(model_path))
        words = [f"--ignore-paths={os.path.join(model, path)}" for path in self._ignored_paths]
        if not self._ignore_git_paths:
            words.append("--no-ignore-git-paths")
        if self._allow_symlinks:
            words.append("--allow-symlinks")
        return words
