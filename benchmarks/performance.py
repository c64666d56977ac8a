"""Write docs/performance.md and its chart from what the benchmarks have measured.

Usage: ``python benchmarks/performance.py --results FOLDER``. A benchmark without a result is left
out with a sentence that says so. The words are here and in ``performance_tables.py``; no number is.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import measure
import performance_tables as tables
from conversion import ENCODINGS

DOCS = measure.ROOT / "docs"
CHART = "performance.svg"
LIBRARIES = ("numpy", "numcodecs", "imagecodecs", "pydicom", "zarr", "pyarrow", "snakemake")
DRAWN = ("dcm2niix", "dcm2niix_gzip", "simpleitk", "dicom2nifti", "highdicom", "script")
INTRODUCTION = """# Performance

Made by `make bench`; do not edit. CPU seconds are those of user and system, of the least disturbed
of up to {rounds} rounds, in which all take turns on the same warm files. Start-up is counted apart;
other machines give other seconds, and much the same ratios.

Measured on {date}: {cpu}, {cores} cores, Python {python}; {libraries}.
The load of the machine was up to {load}: where that is far above the number of cores, others were
at work, wall times mean little, and CPU times are longer, unevenly, since caches are shared.

![CPU seconds of the converters]({chart})
"""

SECTIONS: tuple[tuple[str, str, Callable[[Mapping[str, Any]], str]], ...] = (
    ("conversion", "Conversion", tables.conversion),
    ("steps", "Where every millisecond of a slice goes", tables.steps),
    ("memory", "Memory", tables.memory),
    ("compression", "Compression", tables.compression),
    ("scanning", "Scanning", tables.scanning),
    ("shards", "Shards", tables.shards),
    ("workflow", "The whole workflow", tables.workflow),
    ("collection", "A hundred thousand series", tables.collection),
    ("reading", "Reading", tables.reading),
)


def results(folder: Path) -> dict[str, dict[str, Any]]:
    """Name → content of what was measured."""
    return {
        path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))
    }


def document(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole page."""
    first = found["conversion"]
    ours = first["encodings"]["uncompressed"]["ct2zarr"]
    parts = [
        INTRODUCTION.format(
            date=max(content["date"] for content in found.values()), rounds=ours["rounds"],
            libraries=", ".join(_versions()), chart=CHART,
            **first["machine"] | {"load": max(c["machine"].get("load", 0) for c in found.values())},
        ),
        "## Targets\n\n" + tables.targets(found) + tables.NOTES,
    ]  # fmt: skip
    for name, title, write in SECTIONS:
        text = write(found[name]) if name in found else "Not measured this time."
        parts.append(f"## {title}\n\n{text}")
    return "\n".join(parts)


def _versions() -> list[str]:
    known = []
    for name in LIBRARIES:
        try:
            known.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return known


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Bars of CPU seconds by encoding, on a logarithmic axis."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "ct2zarr"
    import matplotlib.pyplot as plt

    names = ("floor", "ct2zarr", *DRAWN)
    figure, axes = plt.subplots(figsize=(9, 4))
    width = 0.8 / len(names)
    colours = {"floor": "0.75", "ct2zarr": "black"}
    for place, name in enumerate(names):
        pairs = [
            (index + (place - len(names) / 2) * width, found["encodings"][encoding][name]["cpu"])
            for index, encoding in enumerate(ENCODINGS)
            if name in found["encodings"].get(encoding, {})
        ]
        if pairs:
            label = name.replace("_", " + ")
            axes.bar(*zip(*pairs, strict=True), width, label=label, color=colours.get(name))
    axes.set_yscale("log")
    axes.set_ylabel(f"CPU seconds, {found['planes']} slices of 512 x 512")
    axes.set_xticks(range(len(ENCODINGS)), [name.replace("_", " ") for name in ENCODINGS])
    axes.legend(fontsize="small", ncols=4, frameon=False, loc="upper left")
    axes.margins(y=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True)
    found = results(parser.parse_args().results)
    text = document(found)
    (DOCS / "performance.md").write_text(text, encoding="utf-8")
    draw(found["conversion"], DOCS / CHART)
    print(tables.targets(found))


if __name__ == "__main__":
    main()
