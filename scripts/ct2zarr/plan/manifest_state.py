"""What the last manifest was made from, to see whether anything has changed since."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from ..run.paths import SCAN_CACHE_FOLDER, SERIES_ALL
from ..run.settings import ManifestSettings
from ..run.tables import write_bytes_if_changed
from ..scan.cache import FACTS_VERSION
from ..scan.scanning import Scan
from ..version import __version__
from .manifest_checks import damaged_files
from .manifest_summary import readable, settings_for_summary

STATE = "state.json"
"""Beside the scan cache: the key of the manifest, and size and time of each of its files."""


def manifest_key(found: Scan, settings: ManifestSettings) -> str:
    """A hash of everything on which the manifest depends."""
    digest = hashlib.blake2b(digest_size=16)
    about: dict[str, object] = {
        **settings_for_summary(settings),
        "version": __version__,
        "facts": FACTS_VERSION.decode(),
        "roots": {name: readable(str(root)) for name, root in settings.datasets.items()},
        "folders": [readable(path) for path, _ in found.unreadable_folders],
        "others": [found.others, found.leaving],
        "left_out": dict(found.left_out),
    }
    digest.update(json.dumps(about, sort_keys=True).encode())
    for name in ("dataset", "path", "reason", "code"):
        # Text by text and not chunk by chunk: the same rows may lie in other chunks.
        for chunk in found.table[name].chunks:
            digest.update("".join(f"{text}\0" for text in chunk.to_pylist()).encode())
    for name in ("frame", "bytes", "mtime_ns"):
        for chunk in found.table[name].chunks:
            digest.update(chunk.to_numpy().tobytes())
    return digest.hexdigest()


def is_current(folder: Path, key: str) -> bool:
    """Whether the manifest with this key is there, with every file as it was written.

    series_all.csv may be missing or damaged, since it is made again from the shards.
    """
    try:
        state = json.loads(_state_path(folder).read_text(encoding="utf-8"))
        unchanged = bool(state["key"] == key) and all(
            _stamp(folder / name) == stamp for name, stamp in state["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    restored = str(folder / SERIES_ALL)
    return unchanged and all(error.path == restored for error in damaged_files(folder))


def forget_state(folder: Path) -> None:
    """Forget the last manifest before its files change: a stopped run must not look complete."""
    _state_path(folder).unlink(missing_ok=True)


def keep_state(folder: Path, key: str, files: Iterable[Path]) -> None:
    """Remember the key of a manifest and its files, which are complete."""
    state = {"key": key, "files": {str(path.relative_to(folder)): _stamp(path) for path in files}}
    write_bytes_if_changed(_state_path(folder), json.dumps(state).encode())


def _state_path(folder: Path) -> Path:
    return folder / SCAN_CACHE_FOLDER / STATE


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
