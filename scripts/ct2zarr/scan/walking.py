"""Every regular file below the dataset roots, in an order that does not depend on the disk.

Only names, sizes and times are read here. A link to a file counts as a file. A folder is entered
once, however many links lead to it: under its real path if that is below the root and not hidden,
else by a link, else under its hidden path. System folders come last; their files are counted only.
"""

import heapq
import os
import stat
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..codes import Code
from ..errors import SettingsError
from .folder_names import Kind, kind_of, kind_of_path
from .leaving_links import LeavingLinks

FOLDERS_PER_SHARE = 8
"""Folders are dealt out at the first level that has so many of them per share."""


class FoundFile(NamedTuple):
    """One regular file, or one link that leads nowhere (``broken``).

    ``system``: it lies in a system folder and is not to be opened. ``between`` is the number of
    folders between the root and the folder of the file, which ``max_depth`` limits; it is 0 for
    files in the root itself too.
    """

    path: str
    bytes: int
    mtime_ns: int
    between: int
    broken: bool = False
    system: bool = False


@dataclass(slots=True)
class WalkedRoot:
    """The files below one root, in the order of their folders and names; then linked folders,
    hidden folders and system folders.

    Attributes
    ----------
    unreadable_folders
        Folders that could not be listed, with the system's reason.
    others
        Sockets, devices and pipes; they are counted and never opened.
    links
        In a share, the links to folders and the hidden folders and system folders, with their
        depth; they are not entered yet.
    leaving
        Links to files or folders outside the root; they are followed.
    left_out
        Names of system folders, with the number of folders of each name.
    seen
        Device and inode of the folders that were listed.
    """

    dataset: str
    root: str
    files: list[FoundFile] = field(default_factory=list)
    unreadable_folders: list[tuple[str, str]] = field(default_factory=list)
    others: int = 0
    links: list[tuple[str, int]] = field(default_factory=list)
    leaving: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    seen: set[tuple[int, int]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Share:
    """The share ``number`` (from 0) of ``count``: what one of several jobs walks of a tree.

    Folders at depth ``level`` below the root are dealt out by a hash of their path, so that a
    folder stays in its share when others are added. What lies above belongs to share 0.
    """

    number: int
    count: int
    level: int

    def has(self, root: str, folder: str) -> bool:
        """Whether a folder at ``level`` belongs to this share."""
        relative = os.fsencode(folder[len(root) :])
        return zlib.crc32(relative) % self.count == self.number

    def lists_files_at(self, depth: int) -> bool:
        """Whether the files of the folders at ``depth`` that the job enters are in this share."""
        return depth >= max(self.level, 1) or self.number == 0


def share_of(root: str, number: int, count: int) -> Share:
    """One share of a tree, cut at the first level with enough folders, else at the widest level.

    Every job lists the folders above that level, which are few.
    """
    level, folders = 0, [root]
    widest, width = 0, 1
    while folders and width < FOLDERS_PER_SHARE * count:
        below: list[str] = []
        for folder in folders:
            with suppress(OSError), os.scandir(folder) as listing:
                below += [e.path for e in listing if _is_walked_first(e)]
        level, folders = level + 1, below
        if len(folders) >= width:
            widest, width = level, len(folders)
    return Share(number, count, widest)


def check_roots(datasets: Mapping[str, Path]) -> dict[str, str]:
    """Absolute roots by dataset name, sorted by name.

    Raises
    ------
    SettingsError
        No datasets, a root is missing or is a file, or lies in another one.
    """
    if not datasets:
        raise SettingsError(
            Code.SETTING_MISSING,
            "no dataset is named; give `datasets` in the config, or DATASET_V1_ROOT",
        )
    roots: dict[str, str] = {}
    real: dict[str, str] = {}
    for name in sorted(datasets):
        root = os.path.abspath(datasets[name])  # noqa: PTH100 - Path.absolute keeps `..`
        if not os.path.exists(root):  # noqa: PTH110 - also for names that are no text
            raise SettingsError(
                Code.SETTING_WRONG,
                "dataset {dataset}: the folder {root} does not exist",
                dataset=name,
                root=Path(root),
            )
        if not os.path.isdir(root):  # noqa: PTH112
            raise SettingsError(
                Code.SETTING_WRONG,
                "dataset {dataset}: {root} is a file; name the folder that holds the files",
                dataset=name,
                root=Path(root),
            )
        here = os.path.realpath(root)
        for other, there in real.items():
            if os.path.commonpath((here, there)) in (here, there):
                raise SettingsError(
                    Code.SETTING_WRONG,
                    "datasets {dataset} and {other}: one root lies in the other ({root} and "
                    "{other_root}), so that files would be found twice; name separate folders",
                    dataset=other,
                    other=name,
                    root=Path(roots[other]),
                    other_root=Path(root),
                )
        roots[name], real[name] = root, here
    return roots


def walk_root(
    dataset: str,
    root: str,
    on_folder: Callable[[int], None] | None = None,
    share: Share | None = None,
) -> WalkedRoot:
    """List the files below one root; or a share of them, in which links are not followed.

    ``on_folder`` is called for each folder with the number of files found so far.
    """
    walked = WalkedRoot(dataset, root)
    _walk(walked, [(root, 0)], on_folder, share)
    return walked


def walk_links(
    dataset: str, root: str, links: Iterable[tuple[str, int]], seen: Iterable[tuple[int, int]]
) -> WalkedRoot:
    """Follow the links that the shares of a root have found, as ``walk_root`` does at its end."""
    walked = WalkedRoot(dataset, root, links=list(links), seen=set(seen))
    _walk(walked, [], None, None)
    return walked


def _walk(
    walked: WalkedRoot,
    todo: list[tuple[str, int]],
    on_folder: Callable[[int], None] | None,
    share: Share | None,
) -> None:
    """List the folders of ``todo`` and those below them; then what ``walked.links`` gathers.

    The usual folders come first, so that where a file is found depends neither on links nor on
    hidden copies.
    """
    later: list[tuple[Kind, str, int]] = []
    system = False
    leaving = LeavingLinks(walked.root)
    while todo or (share is None and (walked.links or later)):
        if not todo:
            kind, path, depth = _next_of(walked, later)
            system = kind is Kind.SYSTEM
            todo.append((path, depth))
        folder, depth = todo.pop()
        with_files = share is None or share.lists_files_at(depth)
        entries = _entries(walked, folder, with_files=with_files, report=not system)
        if entries is None:
            continue
        if system:
            below = _add_system_files(walked, folder, entries, depth)
        else:
            below = [
                (entry.path, depth + 1)
                for entry in entries
                if _is_walked_first(entry)
                and (
                    share is None or depth + 1 != share.level or share.has(walked.root, entry.path)
                )
            ]
            if with_files:
                _add_files(walked, entries, depth, leaving)
        todo.extend(reversed(below))
        if on_folder is not None:
            on_folder(len(walked.files))


def _next_of(walked: WalkedRoot, later: list[tuple[Kind, str, int]]) -> tuple[Kind, str, int]:
    """Move the links that were found into the heap ``later``, and take the first of all."""
    while walked.links:
        path, depth = walked.links.pop()
        heapq.heappush(later, (kind_of_path(path[len(walked.root) :]), path, depth))
    return heapq.heappop(later)


def _is_walked_first(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a real folder with a usual name."""
    return entry.is_dir(follow_symlinks=False) and kind_of(entry.name) is Kind.USUAL


def _add_system_files(
    walked: WalkedRoot, folder: str, entries: Sequence[os.DirEntry[str]], depth: int
) -> list[tuple[str, int]]:
    """Add the files of a system folder, which are not to be opened; the folders below it.

    Links to folders are not followed from there.
    """
    above, _, name = folder[len(walked.root) :].rpartition("/")
    if kind_of_path(above) is not Kind.SYSTEM:
        walked.left_out[name] += 1
    for entry in entries:
        found = None if _is_folder(entry) else _found(entry, between=0)
        if found is not None:
            walked.files.append(found._replace(system=True))
    return [(entry.path, depth + 1) for entry in entries if entry.is_dir(follow_symlinks=False)]


def _entries(
    walked: WalkedRoot, folder: str, *, with_files: bool, report: bool
) -> list[os.DirEntry[str]] | None:
    """The entries of a folder by name; None where it was listed before or cannot be listed.

    ``with_files``: the folder belongs to this walk, not only those below it. ``report``: it is to
    be named if it cannot be listed.
    """
    try:
        status = os.stat(folder)  # noqa: PTH116 - a name on disk, called for each folder
        identity = (status.st_dev, status.st_ino)
        if identity in walked.seen:
            return None
        if with_files:
            walked.seen.add(identity)
        with os.scandir(folder) as listing:
            return sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        if with_files and report:
            reason = error.strerror or "input/output error"
            walked.unreadable_folders.append((folder, reason))
        return None


def _add_files(
    walked: WalkedRoot, entries: Iterable[os.DirEntry[str]], depth: int, leaving: LeavingLinks
) -> None:
    """Add what a folder at ``depth`` holds beside usual folders: files, links, and others."""
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if kind_of(entry.name) is not Kind.USUAL:
                walked.links.append((entry.path, depth + 1))
            continue
        if entry.is_symlink():
            walked.leaving += leaving.has(entry.path)
        if _is_folder(entry):
            walked.links.append((entry.path, depth + 1))
            continue
        found = _found(entry, max(depth - 1, 0))
        if found is None:
            walked.others += 1
        else:
            walked.files.append(found)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _found(entry: os.DirEntry[str], between: int) -> FoundFile | None:
    """The file behind an entry; ``None`` for what is neither file nor link."""
    try:
        status = entry.stat()
    except OSError:
        if not entry.is_symlink():
            return FoundFile(entry.path, 0, 0, between)  # gone or forbidden: reading says which
        own = entry.stat(follow_symlinks=False)
        return FoundFile(entry.path, 0, own.st_mtime_ns, between, broken=True)
    if not stat.S_ISREG(status.st_mode):
        return None
    return FoundFile(entry.path, status.st_size, status.st_mtime_ns, between)


def walk(
    datasets: Mapping[str, Path], on_folder: Callable[[int], None] | None = None
) -> Iterator[WalkedRoot]:
    """Walk all roots by dataset name; ``check_roots`` says what is refused."""
    for dataset, root in check_roots(datasets).items():
        yield walk_root(dataset, root, on_folder)
