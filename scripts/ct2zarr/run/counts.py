"""What became of volumes, in numbers and in words: how every job and every run closes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..vocabulary import Status
from .summary_columns import SummaryRow

MOST_SECONDS = 1e15
"""A damaged row may state any time, and JSON cannot hold an infinite sum of them."""


def totals_of(rows: Iterable[SummaryRow]) -> dict[str, int | float]:
    """The ``totals`` of a summary's JSON.

    ``volumes``, the statuses, ``flagged``, ``localizers_skipped`` and ``files_unreadable`` are of
    all rows; the other members are of the converted volumes. Bytes, and seconds of wall clock.
    ``aggregate`` replaces ``localizers_skipped`` by the count of all files in the manifest.
    """
    numbers: dict[str, int | float] = dict.fromkeys(("volumes", *Status, "flagged"), 0)
    sums = (
        "ok_flagged", "reused", "verified", "same_decoder", "slices", "localizers_skipped",
        "files_unreadable",
    )  # fmt: skip
    numbers |= dict.fromkeys((*sums, "input_bytes", "output_bytes"), 0)
    seconds = 0.0
    for row in rows:
        numbers["volumes"] += 1
        numbers[row.status] += 1
        numbers["flagged"] += row.flags != ""
        numbers["localizers_skipped"] += row.localizers_skipped
        numbers["files_unreadable"] += row.files_unreadable
        if row.status != Status.OK:
            continue
        numbers["ok_flagged"] += row.flags != ""
        numbers["reused"] += row.reused
        numbers["verified"] += row.verify_ok is True
        numbers["same_decoder"] += row.verify_ok is True and row.same_decoder_slices > 0
        numbers["slices"] += row.slice_count
        numbers["input_bytes"] += row.input_bytes
        numbers["output_bytes"] += row.output_bytes
        seconds += row.total_seconds or 0.0
    seconds = min(seconds, MOST_SECONDS)
    return {**{str(name): number for name, number in numbers.items()}, "seconds": round(seconds, 3)}


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of volumes, as in the totals of a summary.

    Attributes
    ----------
    ok
        Converted; ``reused`` of them were there before.
    flagged
        Of all volumes. ok_flagged, verified: of the converted ones.
    same_decoder
        Of the verified ones, those whose planes were not all read by another decoder.
    slices, input_bytes, output_bytes, seconds
        Of the converted ones; seconds are summed over workers.
    """

    volumes: int = 0
    ok: int = 0
    reused: int = 0
    failed: int = 0
    rejected: int = 0
    flagged: int = 0
    input_bytes: int = 0
    output_bytes: int = 0
    seconds: float = 0.0
    ok_flagged: int = 0
    verified: int = 0
    slices: int = 0
    same_decoder: int = 0

    @classmethod
    def of_totals(cls, totals: Mapping[str, Any]) -> "Counts":
        """From the ``totals`` of a summary's JSON; what is absent counts as 0."""
        return cls(**{field.name: totals.get(field.name, 0) for field in fields(cls)})

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            **{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)}
        )

    @property
    def ratio(self) -> float | None:
        """Bytes of the source over bytes of the stores; None where there are no stores."""
        return self.input_bytes / self.output_bytes if self.output_bytes else None

    @property
    def rate(self) -> float | None:
        """Bytes of the source per second and worker; None where no time was measured."""
        return self.input_bytes / self.seconds if self.seconds else None

    def lines(self) -> list[tuple[str, str]]:
        """What a closing table says, a label and a value each."""
        read, written = (" ".join(size_words(n)) for n in (self.input_bytes, self.output_bytes))
        ratio = f" ({self.ratio:.2f} : 1)" if self.ratio is not None else ""
        rate = " ".join(size_words(self.rate)) if self.rate is not None else ""
        return [
            ("volumes", f"{self.volumes:,}"),
            ("converted", f"{self.ok - self.reused:,}"),
            ("reused", f"{self.reused:,}"),
            ("failed", f"{self.failed:,}"),
            ("rejected", f"{self.rejected:,}"),
            ("flagged", f"{self.flagged:,}"),
            ("source", f"{read} in"),
            ("stores", f"{written} out{ratio}"),
            ("rate", f"{rate}/s of source per worker" if rate else "not measured"),
        ]

    def sentence(self) -> str:
        """The same in one line, for a log."""
        return ", ".join(f"{label} {value}" for label, value in self.lines())


def size_words(number: float) -> tuple[str, str]:
    """Bytes as three significant digits and a decimal unit."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 999.5 or unit == "TB":  # which is shown as 1000 without a fraction
            break
        number /= 1000
    return (f"{number:.0f}" if number >= 100 else f"{number:.3g}"), unit
