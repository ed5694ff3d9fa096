"""How a model is hashed, with the names of `model_signing.hashing`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Optional

from . import _program
from ._program import PathLike
from .manifest import Digest, Manifest, ResourceDescriptor

__all__ = ["Algorithm", "Config", "Digest", "Manifest", "PathLike", "ResourceDescriptor", "hash"]

Algorithm = Literal["sha256", "blake2", "blake2b", "blake3"]

ALGORITHMS = {"sha256": "sha256", "blake2": "blake2b", "blake2b": "blake2b", "blake3": "blake3"}
GIT_PATHS = (".git", ".gitattributes", ".github", ".gitignore")
SHARD_SIZE = 1_000_000_000


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

    def hash(self, model_path: PathLike, *, files_to_hash: Optional[Iterable[PathLike]] = None) -> Manifest:
        """Hashes a model; or of it these files alone, whose paths begin where the model's does."""
        words = ["digest", "--resources", *self.hash_words(), *self.model_words(model_path)]
        others = None if files_to_hash is None else _others(model_path, files_to_hash)
        flags = {"ignore_paths": [*self._ignored_in(model_path), *others]} if others else None
        read = json.loads(_program.run([*words, "--", _program.word(model_path)], flags=flags))
        resources = (
            ResourceDescriptor(item["name"], Digest(item["algorithm"], bytes.fromhex(item["digest"])))
            for item in read["resources"]
        )
        digest = Digest("sha256", bytes.fromhex(read["digest"]))
        return Manifest(read["name"], digest, tuple(resources), self._serialization())

    def use_file_serialization(
        self,
        *,
        hashing_algorithm: Algorithm = "sha256",
        chunk_size: int = 1 << 20,
        max_workers: Optional[int] = None,
        allow_symlinks: bool = False,
        ignore_paths: Iterable[PathLike] = frozenset(),
    ) -> Config:
        """Hashes whole files. `chunk_size` and `max_workers` have no effect: all cores are used as they are.

        `ignore_paths` begin in the model and are left out; the reference writes them into the signature, and hashes them.
        """
        del chunk_size, max_workers
        _check(hashing_algorithm)
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
        _check(hashing_algorithm)
        if shard_size < 1:
            raise ValueError(f"a piece has at least one byte, and not {shard_size}")
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
        words = [f"--ignore-paths={path}" for path in self._ignored_in(model_path)]
        if not self._ignore_git_paths:
            words.append("--no-ignore-git-paths")
        if self._allow_symlinks:
            words.append("--allow-symlinks")
        return words

    def _ignored_in(self, model_path: PathLike) -> list[str]:
        model = os.path.abspath(os.fsdecode(model_path))
        return [os.path.join(model, path) for path in self._ignored_paths]

    def _serialization(self) -> dict[str, Any]:
        said: dict[str, Any] = {"method": "files" if self._shard_size is None else "shards"}
        said["hash_type"] = ALGORITHMS[self._algorithm]
        if self._shard_size is not None:
            said["shard_size"] = self._shard_size
        said["allow_symlinks"] = self._allow_symlinks
        ignored = {*self._ignored_paths, *(GIT_PATHS if self._ignore_git_paths else ())}
        return {**said, "ignore_paths": sorted(ignored)} if ignored else said


def _check(algorithm: str) -> None:
    if algorithm not in ALGORITHMS:
        raise ValueError(f"Unsupported hashing method {algorithm}")


def _others(model_path: PathLike, files: Iterable[PathLike]) -> list[str]:
    """All files of a model but these."""
    model = Path(os.path.abspath(os.fsdecode(model_path)))
    wanted = {os.path.abspath(os.fsdecode(_program.there(file))) for file in files}
    found = (Path(folder) / name for folder, _, names in os.walk(model) for name in names)
    return [str(file) for file in found if str(file) not in wanted]
