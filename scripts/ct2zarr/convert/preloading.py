"""All that a worker needs, imported by the server of the workers before it forks them.

pydicom imports some packages wherever they are installed: those of downloads and of colour
profiles, which no conversion needs, and GDCM, which few do. Together they would take a third of the
time. So they are hidden while pydicom is imported, and found by whoever imports them afterwards.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

HIDDEN = ("requests", "PIL", "gdcm")
"""What pydicom imports if it is installed."""


@contextmanager
def hidden(names: Sequence[str]) -> Iterator[None]:
    """Let imports of some packages fail, unless they have been imported before."""
    new = [name for name in names if name not in sys.modules]
    hiding: dict[str, Any] = dict.fromkeys(new)  # None stands for a package that is not there
    sys.modules.update(hiding)
    try:
        yield
    finally:
        for name in new:
            del sys.modules[name]


with hidden(HIDDEN):
    from . import conversion

__all__ = ["conversion"]
