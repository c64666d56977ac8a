"""Packages that are not installed with ct2zarr unless they are asked for."""

from collections.abc import Iterator
from contextlib import contextmanager

EXTRAS = {
    "nibabel": "nifti",
    "SimpleITK": "sitk",
    "torch": "torch",
    "monai": "monai",
    "torchio": "torchio",
}
"""Package → the extra that brings it."""


@contextmanager
def named_extra(extra: str | None = None) -> Iterator[None]:
    """Say which extra to install where an optional package is imported and missing.

    Parameters
    ----------
    extra
        The extra, where the caller needs more than the one package.

    Raises
    ------
    ModuleNotFoundError
        The package is not installed; the message says how to install it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in EXTRAS:
            raise
        raise ModuleNotFoundError(
            f"{name} is not installed; run pip install 'ct2zarr[{extra or EXTRAS[name]}]'",
            name=name,
        ) from error
