"""What was checked: a line for each check, and the count."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .table import FAILED, YES, Cell, Table


class Record:
    """Prints each check as it ends. What raises has failed; nothing is skipped."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self.table = Table()

    @contextmanager
    def check(self, peer: str, what: str, *cells: Cell) -> Iterator[None]:
        """What it finds stands in these cells of the table, too."""
        try:
            yield
        except Exception as error:  # whatever a peer raises
            self.failed += 1
            self._put(cells, peer, FAILED)
            print(f"FAILED {peer}: {what}")
            reason = str(error) or type(error).__name__
            print("\n".join(f"    {line}" for line in reason.splitlines()[:8]), flush=True)
        else:
            self.passed += 1
            self._put(cells, peer, YES)
            print(f"ok     {peer}: {what}", flush=True)

    def part(self, peer: str, run: Callable[[], None]) -> None:
        """Runs a group of checks. If it can't go on between two of them, that is a failure too."""
        try:
            run()
        except Exception as error:
            with self.check(peer, "the rest could not be checked"):
                raise error

    def _put(self, cells: tuple[Cell, ...], peer: str, word: str) -> None:
        for cell in cells:
            self.table.put(cell, peer, word)

    def close(self, reference: str, absent: dict[str, str]) -> int:
        """Shows the table; in the column of the reference nothing may be left open."""
        with self.check(reference, "was held against each method of signing, both ways"):
            unchecked = self.table.unchecked(reference)
            expect(not unchecked, "not checked: " + "; ".join(unchecked))
        print("\n" + "\n".join(self.table.lines(absent)) + "\n")
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0


def expect(condition: object, otherwise: str) -> None:
    """An assertion that no interpreter flag turns off."""
    if not condition:
        raise AssertionError(otherwise)


@contextmanager
def expect_raises(kind: type[Exception], words: str = "") -> Iterator[None]:
    """The block must be refused, by this kind of error and for this reason."""
    try:
        yield
    except kind as error:
        expect(words in str(error), f"refused for another reason: {error}")
    else:
        raise AssertionError("was accepted")
