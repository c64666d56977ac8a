"""Which folders people do not mean: those of systems, and hidden ones.

A system folder (version control, deleted files, snapshots, thumbnails) holds copies of what is or
was elsewhere. Its files are counted and never opened, unless a link from outside leads to them. A
hidden folder, whose name begins with a dot, is read, but another path to the same folder or file
comes first.
"""

import re
from enum import IntEnum

_SYSTEM_FOLDERS = frozenset(
    {
        # version control
        ".git", ".svn", ".hg", ".bzr", ".dvc", ".datalad",
        # deleted files
        ".trash", ".trashes", "$recycle.bin", "recycler", "#recycle", "@recycle", ".recycle",
        "lost+found",
        # snapshots and old versions
        ".snapshot", ".snapshots", ".snap", ".zfs", "~snapshot", "#snapshot", "@recently-snapshot",
        ".stversions",
        # thumbnails, indexes and resource forks
        "@eadir", ".@__thumb", "@__thumb", ".thumbnails", ".spotlight-v100", ".fseventsd",
        ".documentrevisions-v100", ".temporaryitems", "system volume information", ".appledouble",
        "__macosx", ".glusterfs", ".ipynb_checkpoints",
    }
)  # fmt: skip
"""In lower case: some systems write them in capitals."""

_TRASH_OF_USER = re.compile(r"\.trash-\w+")
"""Deleted files on a disk that several users share (specification of freedesktop.org)."""


class Kind(IntEnum):
    """Folders that are walked first have the lower number."""

    USUAL = 0
    HIDDEN = 1
    SYSTEM = 2


def kind_of(name: str) -> Kind:
    """The kind of a folder of this name."""
    lower = name.lower()
    if lower in _SYSTEM_FOLDERS or _TRASH_OF_USER.fullmatch(lower):
        return Kind.SYSTEM
    return Kind.HIDDEN if name.startswith(".") else Kind.USUAL


def kind_of_path(relative: str) -> Kind:
    """The kind of a folder by its path below a root: the furthest from usual on the way."""
    return max(map(kind_of, relative.split("/")), default=Kind.USUAL)
