"""What the checks found of each method of signing, in both directions: the table that closes a run."""

from typing import NamedTuple

THEIRS, OURS = "theirs by us", "ours by theirs"
YES, FAILED = "yes", "FAILED"
# Each has to be filled, both ways, by the reference.
METHODS = (
    "a key on P-256",
    "a key on P-384",
    "a key on P-521",
    "a certificate",
    "a token's key",
    "a token's certificate",
    "a plug-in",
    "keyless, Rekor v1",
    "keyless, Rekor v2",
)


class Cell(NamedTuple):
    """One place of the table, but for who the peer is."""

    method: str
    way: str


class Table:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], dict[str, str]] = {}

    def put(self, cell: Cell, peer: str, word: str) -> None:
        """What failed once has failed."""
        row = self.rows.setdefault((cell.method, peer), {})
        if row.get(cell.way) != FAILED:
            row[cell.way] = word

    def unchecked(self, reference: str) -> list[str]:
        """What nothing was found of."""
        return [
            f"{method}, {way}"
            for method in METHODS
            for way in (THEIRS, OURS)
            if way not in self.rows.get((method, reference), {})
        ]

    def lines(self, absent: dict[str, str]) -> list[str]:
        order = [*METHODS, *sorted({method for method, _ in self.rows} - set(METHODS))]
        shown = [("method", "peer", THEIRS, OURS)]
        for method in order:
            name = method
            for (of, peer), row in self.rows.items():
                if of == method:
                    shown.append((name, peer, row.get(THEIRS, "-"), row.get(OURS, "-")))
                    name = ""
        shown += [("each method", peer, why, why) for peer, why in absent.items()]
        widths = [max(len(line[at]) for line in shown) for at in range(len(shown[0]))]
        return ["  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip() for line in shown]
