"""The config file as a person wrote it: what Snakemake would not say, or only in a traceback.

Snakemake keeps the last of two equal keys in silence, and looks for ``config/config.yaml`` in the
folder in which it is started.
"""

from collections.abc import Iterator
from pathlib import Path

import yaml

from ..codes import Code
from ..errors import Private, SettingsError


def check_config_file(path: Path) -> None:
    """Check that a file is YAML and gives no key twice.

    Raises
    ------
    SettingsError
        It cannot be read, is not YAML, or a key is there twice.
    """
    root = _parsed(path, _text_of(path))
    if not isinstance(root, yaml.MappingNode):
        raise SettingsError(
            Code.SETTING_WRONG,
            "the config {path} has no keys, such as datasets and out_root; config/README.md lists "
            "them",
            path=path,
        )
    repeated = next(_repeated_keys(root), None)
    if repeated is not None:
        key, first, second = repeated
        raise SettingsError(
            Code.SETTING_WRONG,
            "config: {key} is given twice in {path}, in lines {first} and {second}; remove one",
            path=path,
            key=Private(key),
            first=first,
            second=second,
        )


def check_default_config(path: Path) -> None:
    """Check the config that is used where none is named. Raises SettingsError."""
    if not path.is_file():
        raise SettingsError(
            Code.SETTING_MISSING,
            "there is no {path} in {folder}; start snakemake in the folder of ct2zarr, or name a "
            "config with --configfile",
            path=path,
            folder=Path.cwd(),
        )
    check_config_file(path)


def _text_of(path: Path) -> str:
    """The text of a file, without a byte order mark. Raises SettingsError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SettingsError(
            Code.SETTING_WRONG,
            "the config {path} cannot be read: {cause}",
            path=path,
            cause=error.strerror or Private(error),
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            Code.SETTING_WRONG, "the config {path} is not a text file in UTF-8", path=path
        ) from error


def _parsed(path: Path, text: str) -> yaml.Node | None:
    """The nodes of YAML, which still have every key and its line. Raises SettingsError."""
    try:
        root: yaml.Node | None = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise SettingsError(
            Code.SETTING_WRONG,
            "line {line} of the config {path} is not YAML: {problem}; {advice}",
            path=path,
            line=mark.line + 1 if mark else 1,
            problem=Private(error.problem or "it cannot be parsed"),
            advice="indent with spaces, not tabs" if "\t" in text else "check brackets and colons",
        ) from error
    except yaml.YAMLError as error:
        raise SettingsError(
            Code.SETTING_WRONG, "the config {path} is not YAML", path=path
        ) from error
    return root


def _repeated_keys(node: yaml.Node) -> Iterator[tuple[str, int, int]]:
    """Each key that is there twice, with the lines of both."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item)
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            line = key.start_mark.line + 1
            if key.value in lines:
                yield key.value, lines[key.value], line
            lines[key.value] = line
        yield from _repeated_keys(value)
