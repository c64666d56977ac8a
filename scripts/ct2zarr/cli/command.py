"""The command ``ct2zarr``: volumes as files of other formats.

ct2zarr export VOLUME scan.nii.gz
ct2zarr export zarr_sqlite/summary_all.csv nifti/ --format nii.gz
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import FileError, MachineError, SettingsError
from ..run.atomic_files import prepare_folder
from ..run.entry import INTERRUPTED, UNEXPECTED, stop_with_sentence
from ..version import __version__
from ..vocabulary import StoreType
from ..volume.exporting import ITK_SUFFIXES, NIFTI_SUFFIXES, RESAMPLED, save_with_sitk
from ..volume.summary_volumes import volumes_in
from ..volume.volume import Volume, open_volume

FORMATS = tuple(suffix.lstrip(".") for suffix in (*NIFTI_SUFFIXES, *ITK_SUFFIXES))

Export = Callable[[Volume, Path], None]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command, and leave the process with 1 where a volume could not be exported."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if not given.resample and (given.spacing or given.fill is not None):
        parser.error("--spacing and --fill need --resample")
    try:
        with stop_with_sentence():
            failed = export(
                given.source,
                given.target,
                format_=given.format,
                resample=given.resample,
                spacing=tuple(given.spacing) if given.spacing else None,
                fill=given.fill,
            )
    except BrokenPipeError:  # the reader of the output has seen enough
        sys.exit(UNEXPECTED)
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    sys.exit(1 if failed else 0)


def export(
    source: Path,
    target: Path,
    *,
    format_: str | None,
    resample: bool,
    spacing: tuple[float, float, float] | None,
    fill: float | None,
) -> int:
    """Export one volume, or all finished ones of a summary; returns how many were refused.

    A refused volume is a sentence on stderr, an exported one a line on stdout.

    Raises:
        SettingsError: the format is not known, or goes with no suffix.
        MachineError: the target cannot be written. FileError: the summary cannot be read.
    """
    many = source.suffix == ".csv"
    suffix = _suffix(target, many=many, format_=format_)
    jobs = [(source, target)]
    if many:
        jobs = [(path, target / f"{_name(path)}{suffix}") for path in volumes_in(source)]
        prepare_folder(target)
    elif target.parent != Path():
        prepare_folder(target.parent)
    failed = 0
    for path, file in jobs:
        try:
            with open_volume(path) as volume:
                note = _write(volume, file, suffix, resample=resample, spacing=spacing, fill=fill)
        except FileError as error:
            print(f"error: {error}", file=sys.stderr)
            failed += 1
            continue
        except OSError as error:
            raise MachineError(f"cannot write {file}: {error.strerror or error}") from error
        print(f"{file}{': ' if note else ''}{note}")
    return failed


def _write(
    volume: Volume,
    file: Path,
    suffix: str,
    *,
    resample: bool,
    spacing: tuple[float, float, float] | None,
    fill: float | None,
) -> str:
    """Write one file and say how it was interpolated, if it was."""
    try:
        if suffix in NIFTI_SUFFIXES:
            nifti = volume.to_nifti(file, resample=resample, spacing=spacing, fill=fill)
            return str(nifti.extra.get(RESAMPLED, ""))
        image = volume.to_sitk(resample=resample, spacing=spacing, fill=fill)
    except ModuleNotFoundError as error:
        extra = "nifti" if suffix in NIFTI_SUFFIXES else "sitk"
        raise SettingsError(
            f"{file.name} needs {error.name}, which is not there: pip install 'ct2zarr[{extra}]'"
        ) from error
    save_with_sitk(image, file)
    return image.GetMetaData(RESAMPLED) if image.HasMetaDataKey(RESAMPLED) else ""


def _suffix(target: Path, *, many: bool, format_: str | None) -> str:
    if many:
        return f".{format_ or 'nii.gz'}"
    for name in FORMATS:
        if target.name.endswith(f".{name}") and format_ in (None, name):
            return f".{name}"
    raise SettingsError(
        f"{target.name} must end in one of .{', .'.join(FORMATS)}"
        f"{f', as --format {format_} says' if format_ else ''}"
    )


def _name(store: Path) -> str:
    for kind in StoreType:
        if store.name.endswith(kind.suffix):
            return store.name.removesuffix(kind.suffix)
    return store.stem


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ct2zarr", description="Volumes of CT in Zarr.")
    parser.add_argument("--version", action="version", version=f"ct2zarr {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser(
        "export",
        help="write volumes as NIfTI, NRRD or MetaImage",
        description="Write a volume, or all finished volumes of a summary, as files that other"
        " programs read, in Hounsfield units. Unevenly spaced planes (and for other formats than"
        " NIfTI the shear of a tilted gantry) do not fit and are refused, unless --resample says"
        " to interpolate them.",
    )
    one.add_argument("source", type=Path, help="a volume, or a summary_all.csv beside its data/")
    one.add_argument("target", type=Path, help="the file to write; for a summary, a folder")
    one.add_argument("--format", choices=FORMATS, help="for a summary (default: nii.gz)")
    one.add_argument(
        "--resample",
        action="store_true",
        help="interpolate linearly on a regular grid what does not fit, and say so",
    )
    one.add_argument(
        "--spacing",
        type=float,
        nargs=3,
        metavar=("DZ", "DY", "DX"),
        help="with --resample: the grid's spacing in mm (default: the mean spacing of the volume)",
    )
    one.add_argument(
        "--fill",
        type=float,
        metavar="VALUE",
        help="with --resample: value outside of all planes (default: the smallest of the volume)",
    )
    return parser
