"""Write the tables of the pages that come from the code, between the comments that mark them.

    python docs/make_tables.py            write what has changed
    python docs/make_tables.py --check    exit code 1 if something would change

A table stands between ``<!-- table: NAME -->`` and ``<!-- end of table -->``. Options come from
config/config.schema.yaml, codes from scripts/ct2zarr/vocabulary.py: their words have one home.
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
from ct2zarr.run import settings
from ct2zarr.run.options import OPTIONS

MARKED = re.compile(
    r"(?P<start><!-- table: (?P<name>[\w-]+) -->\n)(?P<body>.*?)(?P<end><!-- end of table -->)",
    flags=re.DOTALL,
)
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
    """Every option: its default, what it may be, what it does."""
    schema = yaml.safe_load((ROOT / "config" / "config.schema.yaml").read_text("utf-8"))
    rows = []
    for name, about in schema["properties"].items():
        allowed = OPTIONS[name].allowed
        if name == "reject_flags":
            allowed = "a list of [flags](../docs/flags.md)"
        default = f"`{in_yaml(about['default'])}`"
        rows.append([f"`{name}`", default, allowed, " ".join(about["description"].split())])
    return table(["option", "default", "it must be", "what it does"], rows)


def reruns() -> str:
    """Which step an option makes Snakemake run again."""
    steps = {
        "the manifest, and the shards that change by it": settings.MANIFEST_OPTIONS,
        "the conversion": settings.CONVERT_OPTIONS,
    }
    rows = [[step, ", ".join(f"`{name}`" for name in names)] for step, names in steps.items()]
    return table(["runs again", "when one of these changes"], rows)


def codes(kind: type[StrEnum]) -> Callable[[], str]:
    """A writer of the table of an enumeration with sentences."""
    head = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__).lower()

    def write() -> str:
        return table([head, "meaning"], ([f"`{code}`", code.sentence] for code in kind))  # type: ignore[attr-defined]

    return write


TABLES: dict[str, Callable[[], str]] = {
    "options": options,
    "reruns": reruns,
    "flags": codes(vocabulary.Flag),
    "roles": codes(vocabulary.Role),
    "statuses": codes(vocabulary.Status),
    "reasons": codes(Code),
    "audit-statuses": codes(vocabulary.AuditStatus),
    "decisions": codes(vocabulary.Decision),
    "store-types": codes(vocabulary.StoreType),
}


def renewed(text: str) -> str:
    """A page with every marked table made anew."""
    return MARKED.sub(lambda found: found["start"] + TABLES[found["name"]]() + found["end"], text)


def pages() -> list[Path]:
    """The pages that may hold such tables."""
    return sorted(page for pattern in PAGES for page in ROOT.glob(pattern))


def main(arguments: list[str]) -> int:
    """Write, or only check; the exit code is 1 if ``--check`` finds an old page."""
    old = []
    for page in pages():
        text = page.read_text("utf-8")
        new = renewed(text)
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
