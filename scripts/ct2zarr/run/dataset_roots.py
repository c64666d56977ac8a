"""The dataset folders that environment variables name: DATASET_VERSION and DATASET_V1_ROOT, ..."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path

from ..codes import Code
from ..errors import SettingsError
from .option_values import wrong_value
from .options import OPTIONS

logger = logging.getLogger(__name__)

ROOT_VARIABLE = re.compile(r"DATASET_(V\w+)_ROOT")
_VERSION = re.compile(r"v\w+")


def dataset_roots(environ: Mapping[str, str]) -> dict[str, Path]:
    """Dataset name → root, in the order of the names or of ``DATASET_VERSION``.

    Raises
    ------
    SettingsError
        A version is malformed, or the root of one that is asked for is not set.
    """
    roots = {
        match[1].lower(): Path(root).expanduser()
        for name, root in sorted(environ.items())
        if root and (match := ROOT_VARIABLE.fullmatch(name))
    }
    wanted = environ.get("DATASET_VERSION") or str(OPTIONS["dataset_version"].default)
    if wanted.lower() == "all":
        if not roots:
            raise SettingsError(
                Code.SETTING_MISSING,
                "DATASET_V1_ROOT is missing: set it, or DATASET_V2_ROOT, to a dataset folder",
            )
        for name in ("v1", "v2"):
            if name not in roots:
                logger.warning("DATASET_%s_ROOT is not set: %s is left out", name.upper(), name)
        return roots
    names = [name.strip().lower() for name in wanted.split(",")]
    for name in names:
        if not _VERSION.fullmatch(name):
            allowed = OPTIONS["dataset_version"].kind.allowed
            raise wrong_value("DATASET_VERSION", wanted, allowed)
        if name not in roots:
            raise SettingsError(
                Code.SETTING_MISSING,
                "{setting} is missing: DATASET_VERSION asks for {version}",
                setting=f"DATASET_{name.upper()}_ROOT",
                version=name,
            )
    return {name: roots[name] for name in names}
