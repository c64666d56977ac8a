"""What the report gives to other reports: its plots as files, and the summary without names.

The plots of the page take the colours of the page; those in files have its light colours.
"""

import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib

from ..run.atomic_files import machine_errors, prepare_folder, write_atomically
from ..run.csv_tables import cells_to_csv
from ..run.paths import EXPORTED_PLOTS_FOLDER, EXPORTED_SUMMARY
from .overview import BarGroup
from .plots import BAR_COLOURS, STYLE, Plot, new_figure, to_svg
from .redaction import redact
from .sentences import error_sentence
from .summary_table import JOINED_SCHEMA, JoinedRow

PRIVATE_COLUMNS = ("series_dir", "error_public")
"""Columns that are left out: folders are often named after patients, and ``error`` has the public
sentence here."""
_ENLARGED = 1.6
"""A plot in a file is looked at alone, so it is larger than on the page."""
_TEMPLATES = Path(__file__).parent / "templates"


def write_exports(
    folder: Path, rows: Sequence[JoinedRow], plots: Sequence[Plot], groups: Sequence[BarGroup]
) -> None:
    """Write ``plots/*.svg`` and ``summary.csv``; plots of an earlier report are deleted.

    Parameters
    ----------
    folder
        Is created if it does not exist.
    rows
        The joined summary.
    plots, groups
        Those of the page.

    Raises
    ------
    MachineError
        A file cannot be written.
    """
    drawn = folder / EXPORTED_PLOTS_FOLDER
    prepare_folder(folder)
    with machine_errors(folder):
        shutil.rmtree(drawn, ignore_errors=True)
    prepare_folder(drawn)
    for plot in (*plots, *map(plot_bars, groups)):
        name = re.sub(r"[^a-z]+", "_", plot.title.lower()).strip("_")
        write_atomically(drawn / f"{name}.svg", stand_alone(plot.svg))
    write_atomically(folder / EXPORTED_SUMMARY, summary_without_names(rows))


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
    """The drawing as a file: with its own namespace, font, background and the light colours."""
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


def summary_without_names(rows: Sequence[JoinedRow]) -> str:
    """The CSV text of the summary without names of folders and files."""
    names = [name for name in JOINED_SCHEMA.names if name not in PRIVATE_COLUMNS]
    public = (
        replace(row, error=error_sentence(row), comment=redact(row.comment, row.series_dir))
        for row in rows
    )
    return cells_to_csv(JOINED_SCHEMA, names, ([getattr(row, n) for n in names] for row in public))
