"""Publish a volume under its final names, whole or not at all.

A volume has three parts below ``zarr_{store}/``: the store in ``data/``, ``slices.csv`` and
``series.json`` in ``meta/``. Each is written under a temporary name in its own folder, flushed to
the disk and renamed, in that order, so that a record exists only beside a complete volume.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..run.atomic_files import (
    flush_file,
    flush_folder,
    machine_errors,
    remove_path,
    replace_path,
    temporary_path,
    write_atomically,
)
from ..run.paths import VolumePaths


@dataclass(frozen=True, slots=True)
class StagedVolume:
    """The temporary paths of a volume that is being written, beside its final ones."""

    final: VolumePaths
    store: Path
    slices: Path

    def clear(self) -> None:
        """Remove what was written, to write it again."""
        for path in (self.store, self.slices):
            # A writer may have put a journal or a spool file beside its file, named after it.
            with suppress(OSError):  # the folder itself may be what failed
                for entry in path.parent.glob(f"{path.name}*"):
                    remove_path(entry)

    def publish(self, record_text: str) -> None:
        """Give the parts their final names: store, slices.csv, and the record last.

        An old record is removed first, so that no record exists while parts are replaced.

        Raises
        ------
        MachineError
            The folder cannot be written.
        """
        remove_record(self.final)
        with machine_errors(self.final.store.parent):
            replace_path(self.store, self.final.store)  # its writer has flushed it to the disk
        with machine_errors(self.final.record.parent):
            flush_file(self.slices)
            replace_path(self.slices, self.final.slices)
        write_atomically(self.final.record, record_text)


@contextmanager
def staged_volume(final: VolumePaths) -> Iterator[StagedVolume]:
    """Temporary paths for a volume; what is left under them at the end is removed."""
    name = final.store.name.split(".")[0]
    store = temporary_path(final.store.parent, name)
    slices = temporary_path(final.slices.parent, name)
    staged = StagedVolume(final, store, slices)
    try:
        yield staged
    finally:
        staged.clear()


def remove_record(final: VolumePaths) -> None:
    """Remove the record of a volume, so that it no longer counts as finished."""
    with machine_errors(final.record.parent):
        try:
            final.record.unlink()
        except FileNotFoundError:
            return
        flush_folder(final.record.parent)


def remove_volume(final: VolumePaths) -> None:
    """Remove a volume: its record first, then the other parts."""
    remove_record(final)
    with machine_errors(final.store.parent):
        if final.store.exists():
            # A folder is renamed first, since its removal takes time and may be interrupted.
            old = temporary_path(final.store.parent, "old")
            with suppress(FileNotFoundError):  # another job has just removed it
                final.store.rename(old)
                remove_path(old)
        remove_path(final.slices)
