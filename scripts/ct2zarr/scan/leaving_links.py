"""Links that lead out of a dataset root."""

import os
from functools import lru_cache


class LeavingLinks:
    """Tells whether a link below ``root`` leads out of it.

    Archives may consist of millions of links, so no more of a path is resolved than is needed: a
    link to what another link names is judged where that link is.
    """

    def __init__(self, root: str) -> None:
        self._root = os.path.join(root, "")  # noqa: PTH118 - names on disk, as everywhere here
        self._real_root = os.path.join(os.path.realpath(root), "")  # noqa: PTH118

    def has(self, path: str) -> bool:
        """Whether the link ``path`` leads out of the root."""
        target = os.readlink(path)  # noqa: PTH115
        folder = path.rpartition("/")[0]
        target = os.path.normpath(os.path.join(folder, target))  # noqa: PTH118
        if os.path.join(target, "").startswith(self._root):  # noqa: PTH118
            return False
        above, _, name = target.rpartition("/")
        real = os.path.join(_real(above or "/"), name, "")  # noqa: PTH118
        return not real.startswith(self._real_root)


@lru_cache(maxsize=1024)
def _real(folder: str) -> str:
    return os.path.realpath(folder)
