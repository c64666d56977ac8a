"""The account of a scan: what became of every frame, and the volumes that the frames make."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..codes import Code
from ..errors import Ct2zarrError, Private
from ..model import Frame, UnusedFrame, VolumePlan
from ..run.csv_tables import Cell
from ..run.settings import SelectionSettings
from ..scan.frame_tables import table_to_frames
from ..vocabulary import Role
from .grouping import plan_volumes
from .identity import check_hashes
from .manifest_rows import row_order, series_row
from .pixel_digests import isolated_pixels
from .roles import assign_role
from .unreadable_series import Found, unreadable_series

GROUPED_ROWS = 20_000
"""Frames that are grouped at a time; millions of Python objects at once would fill the memory."""


@dataclass(slots=True)
class Account:
    """What became of each row of a scan, and the rows of the volumes.

    Attributes
    ----------
    roles, reasons, codes, hashes
        By row of the scan. A slice has neither reason nor code, and a frame of no volume has no
        hash.
    index
        Slice index by row; -1 where the frame is no slice.
    series
        Rows of series_all.csv, in their order.
    series_count
        Number of series with a CT image, or of which no file can be read.
    unreadable_count
        Number of the latter.
    """

    roles: list[str]
    reasons: list[str]
    codes: list[str]
    hashes: list[str]
    index: np.ndarray
    series: list[dict[str, Cell]] = field(default_factory=list)
    series_count: int = 0
    unreadable_count: int = 0

    @classmethod
    def of_rows(cls, count: int) -> "Account":
        """An empty account of this many rows."""
        roles, reasons, codes, hashes = ([""] * count for _ in range(4))
        return cls(roles, reasons, codes, hashes, np.full(count, -1, np.int32))

    def enter_slice(self, row: int, series_hash: str, index: int) -> None:
        """Enter a plane of a volume."""
        self.roles[row], self.hashes[row], self.index[row] = Role.SLICE, series_hash, index

    def enter_unused(self, row: int, unused: UnusedFrame, series_hash: str = "") -> None:
        """Enter a frame that is no plane, with the volume with which it is accounted."""
        self.roles[row], self.reasons[row] = unused.role, unused.reason
        self.codes[row] = unused.code or ""
        self.hashes[row] = series_hash


def make_account(frames: pa.Table, selection: SelectionSettings) -> Account:
    """Give every frame of a scan its role and every volume its row.

    Parameters
    ----------
    frames
        Rows of ``FRAME_SCHEMA``, the frames of a file one after the other.

    Raises
    ------
    Ct2zarrError
        Two volumes have one hash, or a frame was lost on the way.
    """
    account = Account.of_rows(frames.num_rows)
    hashes: dict[str, str] = {}
    with isolated_pixels() as pixels:
        for rows, series in _whole_series(frames):
            with_roles = [assign_role(frame, selection) for frame in series]
            plans, unused = plan_volumes(
                with_roles, pixels.digest, pixels.preview, hashes, pixels.headers
            )
            _enter(account, rows, with_roles, plans, unused)
    _enter_unreadable(account, frames, selection, hashes)
    account.series.sort(key=row_order)
    return account


def _enter_unreadable(
    account: Account, frames: pa.Table, selection: SelectionSettings, hashes: dict[str, str]
) -> None:
    """Enter the series of which no file can be read."""
    found = Found(frames, account.roles, account.codes, account.hashes)
    for plan, rows in unreadable_series(found, selection):
        check_hashes([plan], hashes)
        account.series.append(series_row(plan))
        for row, entry in zip(rows, plan.unused, strict=True):
            account.enter_unused(row, entry, plan.series_hash)
        account.series_count += 1
        account.unreadable_count += 1


def _enter(
    account: Account,
    rows: list[int],
    frames: list[Frame],
    plans: list[VolumePlan],
    unused: list[UnusedFrame],
) -> None:
    """Enter some whole series: their ``frames`` are the ``rows`` of the scan."""
    row_of = {(f.path, f.frame_number): row for f, row in zip(frames, rows, strict=True)}
    for plan in plans:
        account.series.append(series_row(plan))
        for index, plane in enumerate(plan.planes):
            row = row_of.pop((plane.path, plane.frame_number))
            account.enter_slice(row, plan.series_hash, index)
        for entry in plan.unused:
            row = row_of.pop((entry.frame.path, entry.frame.frame_number))
            account.enter_unused(row, entry, plan.series_hash)
    for entry in unused:
        account.enter_unused(row_of.pop((entry.frame.path, entry.frame.frame_number)), entry)
    account.series_count += sum(plan.part == 1 for plan in plans)
    if row_of:
        path, number = next(iter(row_of))
        raise Ct2zarrError(
            Code.UNEXPECTED_ERROR,
            "{count} frames were lost while grouping, the first of them frame {number} of {first}; "
            "this is a fault of ct2zarr, please report it",
            count=len(row_of),
            number=number,
            first=Private(path),
        )


def _whole_series(table: pa.Table) -> Iterator[tuple[list[int], list[Frame]]]:
    """Series by series, several at a time: their rows in the table, and their frames."""
    known: dict[str, int] = {}
    codes = np.empty(table.num_rows, np.int32)
    row = 0
    for batch in table.select(["dataset", "path", "series_uid"]).to_batches():
        folder = pc.replace_substring_regex(batch["path"], r"/[^/]*$", "")
        series = pc.if_else(pc.equal(batch["series_uid"], ""), folder, batch["series_uid"])
        named = pc.binary_join_element_wise(batch["dataset"], series, "\n").dictionary_encode()
        names = [known.setdefault(name, len(known)) for name in named.dictionary.to_pylist()]
        codes[row : row + len(named)] = np.array(names, np.int32)[named.indices.to_numpy()]
        row += len(named)
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    begin = 0
    for start in [*starts[1:].tolist(), len(order)]:
        if start - begin < GROUPED_ROWS and start < len(order):
            continue
        rows = order[begin:start]
        begin = start
        yield rows.tolist(), list(table_to_frames(table.take(pa.array(rows))))
