"""Every regular file below the dataset roots, in an order that does not depend on the disk.

Only names, sizes and times are read here. Links are followed once: a link to a file is a row of
its own, a folder is entered once whatever number of links lead to it, and its real place wins.
"""

import os
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..errors import SettingsError

FOLDERS_A_PART = 8
"""So many folders a job, at least, are dealt out where there are as many."""


class FoundFile(NamedTuple):
    """One regular file, or one link that leads nowhere (``broken``).

    ``between`` is the number of folders between the root and the folder that holds the file, the
    number that ``max_depth`` limits; 0 for files in the root itself as well.
    """

    path: str
    bytes: int
    mtime_ns: int
    between: int
    broken: bool = False


@dataclass(slots=True)
class WalkedRoot:
    """The files below one root, in the order of their folders and names, linked folders last.

    Attributes:
        unreadable_folders: folders that could not be listed, with the system's reason.
        others: sockets, devices and pipes; they are counted and never opened.
        links: of a share, the links to folders with their depth, which nobody has followed yet.
        seen: of a share, device and inode of the folders that were listed.
    """

    dataset: str
    root: str
    files: list[FoundFile] = field(default_factory=list)
    unreadable_folders: list[tuple[str, str]] = field(default_factory=list)
    others: int = 0
    links: list[tuple[str, int]] = field(default_factory=list)
    seen: set[tuple[int, int]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a tree that one of several scanning jobs walks.

    Folders at depth ``level`` below the root are dealt out by a hash of their path, so that a
    folder keeps its job while others come and go. What lies above belongs to part 0.
    """

    part: int
    parts: int
    level: int

    def has(self, root: str, folder: str) -> bool:
        """Whether a folder at ``level`` is of this part."""
        relative = os.fsencode(folder[len(root) :])
        return zlib.crc32(relative) % self.parts == self.part


def share_of(root: str, part: int, parts: int) -> Share:
    """The share of a part: at the first level with enough folders to deal out evenly, or at the
    widest where none has. Every job lists the folders above that level, which are few.
    """
    level, folders = 0, [root]
    widest, width = 0, 1
    while folders and width < FOLDERS_A_PART * parts:
        below: list[str] = []
        for folder in folders:
            with suppress(OSError), os.scandir(folder) as listing:
                below += [e.path for e in listing if e.is_dir(follow_symlinks=False)]
        level, folders = level + 1, below
        if len(folders) >= width:
            widest, width = level, len(folders)
    return Share(part, parts, widest)


def check_roots(datasets: Mapping[str, Path]) -> dict[str, str]:
    """Absolute roots by dataset name, sorted by name.

    Raises:
        SettingsError: no datasets, a root is missing or is a file, or lies in another one.
    """
    if not datasets:
        raise SettingsError(
            "no dataset is named; give `datasets` in the config, or DATASET_V1_ROOT"
        )
    roots: dict[str, str] = {}
    real: dict[str, str] = {}
    for name in sorted(datasets):
        root = os.path.abspath(datasets[name])  # noqa: PTH100 - Path.absolute keeps `..`
        if not os.path.exists(root):  # noqa: PTH110 - also for names that are no text
            raise SettingsError(f"dataset {name}: the folder {root} does not exist")
        if not os.path.isdir(root):  # noqa: PTH112
            raise SettingsError(f"dataset {name}: {root} is not a folder")
        here = os.path.realpath(root)
        for other, there in real.items():
            if os.path.commonpath((here, there)) in (here, there):
                raise SettingsError(
                    f"datasets {other} and {name}: one root lies in the other ({roots[other]} and "
                    f"{root}), so that files would be found twice; name folders apart from another"
                )
        roots[name], real[name] = root, here
    return roots


def walk_root(
    dataset: str,
    root: str,
    on_folder: Callable[[int], None] | None = None,
    share: Share | None = None,
) -> WalkedRoot:
    """List the files below one root, or a share of them, in which links are not followed.

    ``on_folder`` is told the number of files found so far, once a folder.
    """
    walked = WalkedRoot(dataset, root)
    _walk(walked, [(root, 0)], on_folder, share)
    return walked


def walk_links(
    dataset: str, root: str, links: Iterable[tuple[str, int]], seen: Iterable[tuple[int, int]]
) -> WalkedRoot:
    """Follow the links that the shares of a root have left, as ``walk_root`` does at its end."""
    walked = WalkedRoot(dataset, root, links=list(links), seen=set(seen))
    _walk(walked, [], None, None)
    return walked


def _walk(
    walked: WalkedRoot,
    todo: list[tuple[str, int]],
    on_folder: Callable[[int], None] | None,
    share: Share | None,
) -> None:
    seen, links = walked.seen, walked.links
    while todo or (links and share is None):
        if not todo:
            # Real folders come first, so that where a file is found does not depend on links.
            links.sort(reverse=True)
            todo.append(links.pop())
        folder, depth = todo.pop()
        mine = share is None or depth >= max(share.level, 1) or share.part == 0
        try:
            status = os.stat(folder)  # noqa: PTH116 - a name on disk, called for each folder
            identity = (status.st_dev, status.st_ino)
            if identity in seen:
                continue
            if mine:
                seen.add(identity)
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            if mine:
                reason = error.strerror or "input/output error"
                walked.unreadable_folders.append((folder, reason))
            continue
        below: list[tuple[str, int]] = []
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if share is None or depth + 1 != share.level or share.has(walked.root, entry.path):
                    below.append((entry.path, depth + 1))
            elif not mine:
                continue
            elif _is_folder(entry):
                links.append((entry.path, depth + 1))
            else:
                found = _found(entry, max(depth - 1, 0))
                if found is None:
                    walked.others += 1
                else:
                    walked.files.append(found)
        todo.extend(reversed(below))
        if on_folder is not None:
            on_folder(len(walked.files))


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
    """Walk all roots by dataset name; see ``check_roots`` for what is refused."""
    for dataset, root in check_roots(datasets).items():
        yield walk_root(dataset, root, on_folder)
