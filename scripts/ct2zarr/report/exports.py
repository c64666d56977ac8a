"""What the report gives to other reports: its plots as files, and the summary without names.

The page has its plots inline, in the colours of the page; a file stands alone, in the light ones.
"""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd

from ..run.atomic_files import machine_errors, prepare_folder, write_atomically
from ..run.redaction import scrub_error, scrub_text
from .overview import BarGroup
from .plots import BAR_COLOURS, STYLE, Plot, new_figure, to_svg

PRIVATE_COLUMNS = ("series_dir",)
"""Columns of summary_all.csv that name folders, which are often patients."""
_ENLARGED = 1.6
"""A file is looked at alone, so larger than on the page."""
_TEMPLATES = Path(__file__).parent / "templates"


def write_exports(
    folder: Path, table: pd.DataFrame, plots: Sequence[Plot], groups: Sequence[BarGroup]
) -> None:
    """Write ``plots/*.svg`` and ``summary.csv`` into ``folder``; older plots go.

    Args:
        folder: is made where it is absent.
        table: summary_all.csv, all columns as text.
        plots, groups: those of the page.

    Raises:
        MachineError: a file cannot be written.
    """
    prepare_folder(folder)
    with machine_errors(folder):
        shutil.rmtree(folder / "plots", ignore_errors=True)
    prepare_folder(folder / "plots")
    for plot in (*plots, *map(plot_bars, groups)):
        name = re.sub(r"[^a-z]+", "_", plot.title.lower()).strip("_")
        write_atomically(folder / "plots" / f"{name}.svg", stand_alone(plot.svg))
    write_atomically(folder / "summary.csv", summary_without_names(table))


def plot_bars(group: BarGroup) -> Plot:
    """A bar chart of the page, which is a table there, as a drawing."""
    rows = group.rows[::-1]
    counts = [row.count for row in rows]
    with matplotlib.rc_context(STYLE):
        figure, axes = new_figure((430, 60 + 22 * len(rows)))
        colour = BAR_COLOURS.get(group.rows[0].level, BAR_COLOURS[""])
        bars = axes.barh(range(len(rows)), counts, height=0.55, color=colour)
        axes.bar_label(bars, [f"{count:,}" for count in counts], padding=4, fontsize=9)
        axes.set_yticks(range(len(rows)), [row.label for row in rows])
        axes.set_xlabel("volumes")
        axes.set_xlim(right=1.12 * max(counts))
        axes.grid(visible=False)
        summary = ", ".join(f"{row.label} {row.count:,}" for row in group.rows)
        svg = to_svg(figure, f"{group.title}: {summary}.", [])
    return Plot(group.title, svg, summary)


def stand_alone(svg: str) -> str:
    """The drawing as a file: its own namespace, font, ground, and the light colours of the page."""
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    light = dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6})\b", style.partition("}")[0]))
    svg = re.sub(r"var\((--[\w-]+)\)", lambda name: light[name[1]], svg)
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    width, height = (_ENLARGED * float(one) for one in size.groups()) if size else (0.0, 0.0)
    head = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{width:.0f}" height="{height:.0f}" '
        f'font-family="sans-serif" style="background: {light["--surface"]}"'
    )
    return svg.replace("<svg", head, 1) + "\n"


def summary_without_names(table: pd.DataFrame) -> str:
    """The CSV text of the summary, without folders, names of files and UIDs of patients' data."""
    out = table.drop(columns=[name for name in PRIVATE_COLUMNS if name in table])
    folders = table["series_dir"].astype(str)
    out["error"] = [
        scrub_error(error, folder)
        for error, folder in zip(table["error"].astype(str), folders, strict=True)
    ]
    if "comment" in out:
        out["comment"] = [
            scrub_text(comment, [folder])
            for comment, folder in zip(table["comment"].astype(str), folders, strict=True)
        ]
    return str(out.to_csv(index=False, lineterminator="\n"))
