"""Write the tables of the pages that come from the code, between the comments that mark them.

    python docs/make_tables.py            write what has changed
    python docs/make_tables.py --check    exit code 1 if something would change

A table stands between ``<!-- table: NAME -->`` and ``<!-- end of table -->``. Options come from
scripts/ct2zarr/run/options.py, codes from vocabulary.py and codes.py beside it. The schema of a
config, config/config.schema.yaml, is made from the options too.
"""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from ct2zarr import vocabulary
from ct2zarr.codes import Code
from ct2zarr.run.config_schema import config_schema
from ct2zarr.run.option_values import variables_of
from ct2zarr.run.options import (
    OPTIONS,
    Option,
    Output,
    config_options,
    options_that_change,
)
from ct2zarr.run.settings import SCRIPTS

MARKED = re.compile(
    r"(?P<start><!-- table: (?P<name>[\w-]+) -->\n)(?P<body>.*?)(?P<end><!-- end of table -->)",
    flags=re.DOTALL,
)
SCHEMA = ROOT / "config" / "config.schema.yaml"
PAGES = ("README.md", "config/README.md", "docs/*.md")


def table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; a bar in a cell is escaped."""
    first, *others = (
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n"
        for line in (head, *rows)
    )
    return "".join([first, "|" + "---|" * len(head) + "\n", *others])


def in_yaml(value: object) -> str:
    """A value as it is written in a config, on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n...\n")
    return "".join(text.splitlines()).replace("''", '""')


def options() -> str:
    """Every option of a config: its default, what it may be, what it does."""
    rows = ([f"`{option.name}`", *described(option)] for option in config_options())
    return table(["option", "default", "it must be", "what it does"], rows)


def variables() -> str:
    """The variables of the scripts that are no options of a config."""
    rows = (
        [f"`{option.variable}`", *described(option)]
        for option in OPTIONS.values()
        if not option.in_config
    )
    return table(["variable", "default", "it must be", "what it does"], rows)


def described(option: Option) -> list[str]:
    """The default of an option, what it may be, what it does."""
    allowed = option.kind.allowed
    if option.name == "reject_flags":
        allowed = "a list of [flags](../docs/flags.md)"
    default = "" if option.default is None else f"`{in_yaml(option.default)}`"
    if option.variable_default is not None:
        default += f"; as a variable `{in_yaml(option.variable_default)}`"
    return [default, allowed, option.about]


def scripts() -> str:
    """Which variables each script takes."""
    rows = (
        [f"`scripts/{script}`", ", ".join(f"`{one.variable}`" for one in variables_of(record))]
        for script, record in SCRIPTS.items()
    )
    return table(["script", "variables"], rows)


def reruns() -> str:
    """Which step an option makes Snakemake run again."""
    steps = (Output.MANIFEST, Output.SHARD, Output.SUMMARY, Output.REPORT)
    rows = (
        [step.sentence, ", ".join(f"`{name}`" for name in options_that_change(step))]
        for step in steps
    )
    return table(["runs again", "when one of these changes"], rows)


def codes(kind: type[StrEnum]) -> Callable[[], str]:
    """A writer of the table of an enumeration with sentences."""
    head = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__).lower()

    def write() -> str:
        return table([head, "meaning"], ([f"`{code}`", code.sentence] for code in kind))  # type: ignore[attr-defined]

    return write


def flags() -> str:
    """Every flag, its level and its meaning."""
    rows = ([f"`{flag}`", f"`{flag.level}`", flag.sentence] for flag in vocabulary.Flag)
    return table(["flag", "level", "meaning"], rows)


TABLES: dict[str, Callable[[], str]] = {
    "options": options,
    "variables": variables,
    "scripts": scripts,
    "reruns": reruns,
    "flags": flags,
    "flag-levels": codes(vocabulary.FlagLevel),
    "roles": codes(vocabulary.Role),
    "statuses": codes(vocabulary.Status),
    "reasons": codes(Code),
    "audit-statuses": codes(vocabulary.AuditStatus),
    "belonging": codes(vocabulary.Belonging),
    "decisions": codes(vocabulary.Decision),
    "store-types": codes(vocabulary.StoreType),
}


def renewed(page: Path, text: str) -> str:
    """A page with every marked table written again, or the schema of a config."""
    if page == SCHEMA:
        return schema_text()
    return MARKED.sub(lambda found: found["start"] + TABLES[found["name"]]() + found["end"], text)


def schema_text() -> str:
    """The JSON schema of a config, as YAML."""
    return yaml.safe_dump(config_schema(), sort_keys=False, width=100, allow_unicode=True)


def pages() -> list[Path]:
    """The files that are written here, wholly or in part."""
    return [SCHEMA, *sorted(page for pattern in PAGES for page in ROOT.glob(pattern))]


def main(arguments: list[str]) -> int:
    """Write, or only check; the exit code is 1 if ``--check`` finds an old page."""
    old = []
    for page in pages():
        text = page.read_text("utf-8") if page.exists() else ""
        new = renewed(page, text)
        if new == text:
            continue
        old.append(page.relative_to(ROOT).as_posix())
        if "--check" not in arguments:
            page.write_text(new, "utf-8")
    if not old:
        return 0
    if "--check" in arguments:
        print(f"run `make docs`: {', '.join(old)} would change", file=sys.stderr)
        return 1
    print(f"written: {', '.join(old)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
