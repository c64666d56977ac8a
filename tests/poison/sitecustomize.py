"""Python imports this by itself in every process that has this folder on its path.

It lets the first decoder of RLE do what a decoder does that meets its end: a matrix of ROWS_* rows
says which end. No part of ct2zarr knows of it, and the processes really crash, hang and fill up.
"""

import ctypes
import importlib.abc
import importlib.util
import sys

POISONED = "ct2zarr.dicom.decoders.with_imagecodecs"
ROWS_CRASH, ROWS_HANG, ROWS_EAT, ROWS_EAT_IN_C = 25, 26, 27, 28
BLOCK = 64 << 20


def crash() -> None:
    """Read at address 0."""
    ctypes.string_at(0)


def hang() -> None:
    """Never come back, nor let another thread of the process run: the GIL is held all the time."""
    sys.setswitchinterval(1e9)
    while True:
        pass


def eat() -> None:
    """Take memory as Python does: a lack of it is a MemoryError."""
    held = []
    while True:
        held.append(bytearray(BLOCK))


def eat_in_c() -> None:
    """Take memory as careless C does: a lack of it is a pointer to nothing, which is written to."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    while True:
        libc.memset(libc.malloc(BLOCK), 1, BLOCK)


ENDS = {ROWS_CRASH: crash, ROWS_HANG: hang, ROWS_EAT: eat, ROWS_EAT_IN_C: eat_in_c}


class Poisoner(importlib.abc.MetaPathFinder):
    """Wraps ``decode`` of one module when it is imported."""

    def find_spec(self, name, path=None, target=None):  # noqa: ARG002
        """Let the others find the module, and add to its loading."""
        if name != POISONED:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def load_and_poison(module):
            load(module)
            decode = module.decode

            def poisoned(encoded, layout):
                ENDS.get(layout.rows, lambda: None)()
                return decode(encoded, layout)

            module.decode = poisoned

        spec.loader.exec_module = load_and_poison
        return spec


sys.meta_path.insert(0, Poisoner())
