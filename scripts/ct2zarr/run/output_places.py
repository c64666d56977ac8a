"""Where results may not be written: in the folders that are read."""

import os
from collections.abc import Mapping
from pathlib import Path

from ..codes import Code
from ..errors import Private, SettingsError


def check_outside(setting: str, folder: Path, roots: Mapping[str, str | Path]) -> None:
    """Check that an output folder, which need not exist, lies in no dataset.

    The next scan would read it, and a dataset is never written to.

    Parameters
    ----------
    setting
        The name of the output as the user wrote it.
    roots
        Dataset name to folder.

    Raises
    ------
    SettingsError
        It is the folder of a dataset or lies below one, under any name of it.
    """
    wanted = os.path.realpath(folder.expanduser())
    for dataset, root in roots.items():
        place = os.path.realpath(Path(root).expanduser())
        if os.path.commonpath((wanted, place)) == place:
            raise SettingsError(
                Code.SETTING_WRONG,
                "{setting} is {folder}, which lies in the folder of dataset {dataset}, {root}; "
                "choose a folder outside, since nothing is ever written into a dataset",
                setting=setting,
                folder=folder,
                dataset=Private(dataset),
                root=Path(root),
            )


def check_no_braces(setting: str, folder: Path) -> None:
    """Check that Snakemake does not take a part of an output path for a wildcard.

    Raises
    ------
    SettingsError
        The path has a brace.
    """
    if "{" in str(folder) or "}" in str(folder):
        raise SettingsError(
            Code.SETTING_WRONG,
            "{setting} is {folder}; Snakemake takes braces for wildcards, so choose a path without",
            setting=setting,
            folder=folder,
        )
