"""The command ``ct2zarr``, which writes volumes as files of other formats.

ct2zarr export VOLUME scan.nii.gz
ct2zarr export zarr_sqlite/summary_all.csv nifti/ --format nii.gz
"""

import argparse
import difflib
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..codes import Code
from ..errors import FileError, MachineError, Private, SettingsError
from ..run.atomic_files import prepare_folder
from ..run.entry import INTERRUPTED, stop_with_sentence
from ..run.printed_lines import flush_lines, print_line
from ..version import __version__
from ..visible_text import visible
from ..vocabulary import StoreType
from ..volume.exporting import ITK_SUFFIXES, NIFTI_SUFFIXES, RESAMPLED, save_with_sitk
from ..volume.summary_volumes import volumes_in
from ..volume.volume import Volume, open_volume

FORMATS = tuple(suffix.lstrip(".") for suffix in (*NIFTI_SUFFIXES, *ITK_SUFFIXES))

COMMANDS = ("export",)


@dataclass(frozen=True, slots=True)
class Resampling:
    """How volumes that a format cannot hold are exported; see ``Volume.to_nifti``.

    Attributes
    ----------
    resample
        Interpolate them; otherwise they are refused.
    spacing
        (dz, dy, dx) of the grid in mm.
    fill
        Value outside the planes. None: a default.
    """

    resample: bool
    spacing: tuple[float, float, float] | None
    fill: float | None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command, and exit with 1 if a volume could not be exported."""
    parser = _parser()
    words = list(sys.argv[1:] if arguments is None else arguments)
    _suggest_command(parser, words)
    try:
        given, unknown = parser.parse_known_args(words)
    finally:
        flush_lines()  # of --help
    if unknown:
        parser.error(_unknown(unknown))
    if not given.resample and (given.spacing or given.fill is not None):
        parser.error("--spacing and --fill can only be used with --resample")
    spacing = tuple(given.spacing) if given.spacing else None
    resampling = Resampling(given.resample, spacing, given.fill)
    try:
        with stop_with_sentence():
            failed = export(given.source, given.target, given.format, resampling)
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    sys.exit(1 if failed else 0)


def export(source: Path, target: Path, format_: str | None, resampling: Resampling) -> int:
    """Export one volume, or all converted volumes of a summary.

    A line on stdout names each file that was written; a sentence on stderr says why a volume could
    not be exported.

    Parameters
    ----------
    source
        A volume, or a summary, whose name ends in ``.csv``.
    target
        The file to write; the folder for the files of a summary.
    format_
        One of ``FORMATS``; for a single volume the suffix of ``target`` says it.

    Returns
    -------
    int
        Number of volumes that could not be exported.

    Raises
    ------
    SettingsError
        The suffix does not name a format, or a package is not installed.
    FileError
        The summary cannot be read, or names a volume that is not there.
    MachineError
        The target cannot be written.
    """
    many = source.suffix == ".csv"
    suffix = f".{format_ or 'nii.gz'}" if many else _suffix(target, format_)
    if many:
        jobs = [(path, target / f"{_name(path)}{suffix}") for path in volumes_in(source)]
    else:
        jobs = [(source, target)]
    prepare_folder(target if many else target.parent)
    return sum(not _exported(path, file, suffix, resampling) for path, file in jobs)


def _exported(path: Path, file: Path, suffix: str, resampling: Resampling) -> bool:
    """Export one volume and print what became of it."""
    try:
        with open_volume(path) as volume:
            note = _write(volume, file, suffix, resampling)
    except FileError as error:
        print(f"error: {error}", file=sys.stderr)
        return False
    except OSError as error:
        raise MachineError(
            Code.MACHINE,
            "cannot write {path}: {cause}",
            path=file,
            cause=error.strerror or Private(error),
        ) from error
    print_line(visible(f"{file}{': ' if note else ''}{note}"))
    return True


def _write(volume: Volume, file: Path, suffix: str, resampling: Resampling) -> str:
    """Write one file; return how it was interpolated, or an empty text if it was not."""
    options = asdict(resampling)
    try:
        if suffix in NIFTI_SUFFIXES:
            return str(volume.to_nifti(file, **options).extra.get(RESAMPLED, ""))
        image = volume.to_sitk(**options)
    except ModuleNotFoundError as error:
        extra = "nifti" if suffix in NIFTI_SUFFIXES else "sitk"
        raise SettingsError(
            Code.SETTING_WRONG,
            "writing {file} needs {package}, which is not installed; run pip install "
            "'ct2zarr[{extra}]'",
            path=file,
            package=error.name,
            extra=extra,
        ) from error
    save_with_sitk(image, file)
    return image.GetMetaData(RESAMPLED) if image.HasMetaDataKey(RESAMPLED) else ""


def _suffix(target: Path, format_: str | None) -> str:
    """The suffix of a single file, which names its format."""
    for name in FORMATS:
        if target.name.endswith(f".{name}") and format_ in (None, name):
            return f".{name}"
    if format_:
        raise SettingsError(
            Code.SETTING_WRONG,
            "{file} must end in .{wanted}, the format that --format names",
            path=target,
            wanted=format_,
        )
    raise SettingsError(
        Code.SETTING_WRONG,
        "{file} must end in one of {suffixes}, which says the format",
        path=target,
        suffixes=tuple(f".{name}" for name in FORMATS),
    )


def _name(store: Path) -> str:
    for kind in StoreType:
        if store.name.endswith(kind.suffix):
            return store.name.removesuffix(kind.suffix)
    return store.stem


def _suggest_command(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """End with the nearest command where the first word is none."""
    word = words[0] if words else "-"
    if word.startswith("-") or word in COMMANDS:
        return
    close = difflib.get_close_matches(word, COMMANDS, n=1)
    known = f"did you mean {close[0]}?" if close else f"there is {', '.join(COMMANDS)}"
    parser.error(f"unknown command {word}: {known}")


def _unknown(words: Sequence[str]) -> str:
    """What to say of arguments that the command does not have."""
    options = [f"--{name}" for name in ("format", "resample", "spacing", "fill", "help")]
    for word in words:
        if word.startswith("-"):
            name = word.partition("=")[0]
            close = difflib.get_close_matches(name, options, n=1)
            return f"unknown option {name}" + (f": did you mean {close[0]}?" if close else "")
    return f"too many arguments: {' '.join(words)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ct2zarr", description="Work with CT volumes that ct2zarr has converted to Zarr."
    )
    parser.add_argument("--version", action="version", version=f"ct2zarr {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser(
        "export",
        help="write volumes as NIfTI, NRRD or MetaImage files",
        description="Write a volume, or all converted volumes of a summary, as files that other"
        " programs read, in Hounsfield units. These formats cannot hold unevenly spaced planes, and"
        " only NIfTI can hold the shear of a tilted gantry. Such volumes are refused unless"
        " --resample allows them to be interpolated.",
    )
    _add_arguments(one)
    return parser


def _add_arguments(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "source", type=Path, help="a volume, or summary_all.csv in the folder where it was written"
    )
    one.add_argument(
        "target", type=Path, help="the file to write, or the folder for the files of a summary"
    )
    one.add_argument(
        "--format",
        choices=FORMATS,
        help="format of the files of a summary (default: nii.gz); a single file takes its format"
        " from its name",
    )
    one.add_argument(
        "--resample",
        action="store_true",
        help="interpolate volumes that the format cannot hold, linearly on a regular grid, and"
        " say so",
    )
    one.add_argument(
        "--spacing",
        type=float,
        nargs=3,
        metavar=("DZ", "DY", "DX"),
        help="with --resample: spacing of the grid in mm (default: the mean spacing of the volume)",
    )
    one.add_argument(
        "--fill",
        type=float,
        metavar="VALUE",
        help="with --resample: value outside the planes (default: the smallest value of the"
        " volume)",
    )
