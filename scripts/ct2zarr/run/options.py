"""Every option: its name, what it may be, its default, what it does, and what it changes.

This table is the one home of these facts. The JSON schema of a config, the tables of
config/README.md, the reasons for which the workflow runs a step again, the defaults of the settings
and the settings that a record names are all made from it. An option has one name: ``num_workers``
in a config is ``NUM_WORKERS`` in the environment. Which script takes an option follows from the
settings of that script (``settings.py``).
"""

from dataclasses import dataclass
from typing import Any

from ..model import Json
from ..vocabulary import Described, StoreType
from . import option_kinds as kinds
from .option_kinds import Kind, choice, member_of, whole


class Output(Described):
    """The results of steps that an option may change."""

    SCAN_PART = "scan_part", "the shares of a scan"
    MANIFEST = "manifest", "the manifest, and the shards that change by it"
    SHARD = "shard", "the conversion"
    VOLUME = "volume", "the bytes of a volume or of its record"
    SUMMARY = "summary", "the joined summary and the report"
    REPORT = "report", "the report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option.

    Attributes
    ----------
    name
        As in a config; in capitals, the name of the environment variable.
    about
        What it does, in Markdown for the documentation.
    default
        The value in a config that does not name it, or what a script takes where the variable is
        not set; None where there is none.
    variable_default
        What a script takes where the variable is not set, if that differs.
    changes
        What comes out differently with another value.
    purpose
        What to set it to, to follow the words "set it to", where a script needs it.
    in_config
        Whether a config has it; the rules know the others from the job.
    private
        Whether its value may identify a patient.
    """

    name: str
    kind: Kind
    about: str
    default: Json = None
    variable_default: Json = None
    changes: frozenset[Output] = frozenset()
    purpose: str = ""
    in_config: bool = True
    private: bool = False

    @property
    def variable(self) -> str:
        """The environment variable."""
        return self.name.upper()

    def typed_default(self) -> Any:
        """The default as the settings have it."""
        return None if self.default is None else self.kind.read(self.default)


SCANNED = frozenset({Output.SCAN_PART, Output.MANIFEST})
MANIFEST = frozenset({Output.MANIFEST})
SHARD = frozenset({Output.SHARD})
VOLUME = frozenset({Output.SHARD, Output.VOLUME})
REPORT = frozenset({Output.REPORT})

# The order is that of the documentation, and of the params that the workflow compares with those of
# the last run: another order would run everything again.
_DECLARED = (
    Option(
        name="datasets",
        kind=kinds.DATASETS,
        default={},
        changes=SCANNED,
        purpose="names with their folders",
        about="Name and folder of each dataset, such as `{v1: /data/ct, v2: /data/more}`. A name "
        "has letters, digits, `_`, `.` and `-`. It is part of what identifies a volume.",
    ),
    Option(
        name="manifest_dir",
        kind=kinds.PATH,
        default="manifests",
        purpose="the folder for the manifest",
        about="Folder for the manifest: the index of volumes, the shards, and the account of every "
        "file.",
    ),
    Option(
        name="out_root",
        kind=kinds.PATH,
        default="converted",
        purpose="the folder for the converted volumes",
        about="Folder for the results. Each store type has its own folder in it, such as "
        "`zarr_sqlite`.",
    ),
    Option(
        name="store_type",
        kind=member_of(StoreType),
        default="sqlite",
        # No reason to run a shard again: each store type has a folder of its own.
        changes=frozenset({Output.VOLUME}),
        about="How each volume is stored: as one SQLite file (`sqlite`), one directory (`dir`) or "
        "one zip file (`zip`).",
    ),
    Option(
        name="num_shards",
        kind=whole(1),
        default=16,
        changes=MANIFEST | SHARD,
        about="Number of shards into which the volumes are divided; each is one job. 30 to 120 "
        "minutes of work per job is a good size. Another number runs every shard again; finished "
        "volumes are reused.",
    ),
    Option(
        name="max_depth",
        kind=kinds.DEPTH,
        default="all",
        variable_default=3,
        changes=SCANNED,
        about="Number of folders that may lie between the folder of a dataset and the folder of a "
        "series, or `all` for no limit. The files that lie deeper are not read: the manifest, the "
        "end of a run and the report count them and name the value that would reach them.",
    ),
    Option(
        name="include_secondary_capture",
        kind=kinds.BOOLEAN,
        default=False,
        changes=MANIFEST,
        about="Convert secondary captures too.",
    ),
    Option(
        name="exclude_image_types",
        kind=kinds.IMAGE_TYPES,
        default=[],
        changes=MANIFEST,
        about="Leave out images that have one of these values in ImageType, such as `[MIP, MPR]`. "
        "Localizers are always left out.",
    ),
    Option(
        name="values",
        kind=choice("hu", "stored"),
        default="hu",
        changes=VOLUME,
        about="`hu`: rescaled values, which are Hounsfield units where the files declare them. "
        "`stored`: values as the files store them, with slope and intercept among the attributes.",
    ),
    Option(
        name="zarr_format",
        kind=kinds.ZARR_FORMAT,
        default="auto",
        changes=VOLUME,
        about="Zarr format `2` or `3`. `auto` is 2 for sqlite, which apart from ct2zarr only "
        "zarr-python 2 reads, and 3 for dir and zip.",
    ),
    Option(
        name="chunks",
        kind=kinds.CHUNKS,
        default=[64, 64, 64],
        changes=VOLUME,
        about="Size of a chunk in voxels along z, y and x.",
    ),
    Option(
        name="compression_level",
        kind=whole(0, 9),
        default=1,
        changes=VOLUME,
        about="Level of Zstandard inside Blosc. Higher levels take much more time and save little.",
    ),
    Option(
        name="pyramid_levels",
        kind=whole(1, 16),
        default=1,
        changes=VOLUME,
        about="Number of arrays per volume, each with half the resolution of the one before, for "
        "viewers: `1` is the volume alone, `4` adds up to three reduced copies. There are fewer "
        "where nothing is left to halve.",
    ),
    Option(
        name="deidentify",
        kind=kinds.BOOLEAN,
        default=False,
        changes=VOLUME,
        about="Write nothing that identifies the patient: names are left out, identifiers become "
        "keyed hashes, dates are shifted. The key has at least 16 characters and is read from the "
        "environment variable `CT2ZARR_DEIDENTIFY_KEY`.",
    ),
    Option(
        name="extra_series_tags",
        kind=kinds.KEYWORDS,
        default=[],
        changes=VOLUME,
        about="Further DICOM keywords for `series.json`.",
    ),
    Option(
        name="extra_slice_tags",
        kind=kinds.KEYWORDS,
        default=[],
        changes=VOLUME,
        about="Further DICOM keywords for `slices.csv`.",
    ),
    Option(
        name="reject_flags",
        kind=kinds.FLAGS,
        default=[],
        changes=SHARD,
        about="A volume with one of these flags is not converted. Its status is `rejected`, with "
        "the flag as reason. The flags are listed below.",
    ),
    Option(
        name="accept_ambiguous_layers",
        kind=kinds.BOOLEAN,
        default=False,
        changes=SHARD,
        about="Convert volumes with the flag `ambiguous_layers` too: files share positions, and "
        "nothing tells which of them belong together. Without it their status is `rejected`.",
    ),
    Option(
        name="on_bad_slice",
        kind=choice("fail", "drop"),
        default="fail",
        changes=SHARD,
        about="What to do with a volume that has a slice which cannot be decoded: `fail` gives a "
        "failed row, `drop` converts the other slices and sets a flag.",
    ),
    Option(
        name="verify_slices",
        kind=kinds.SLICES,
        default=3,
        changes=SHARD,
        about="Number of slices per volume that are decoded again from their source, by another "
        "decoder where there is one, and compared with the finished store; `all` for every slice.",
    ),
    Option(
        name="overwrite",
        kind=kinds.BOOLEAN,
        default=False,
        changes=SHARD,
        about="Convert volumes again that are finished and have not changed.",
    ),
    Option(
        name="num_workers",
        kind=whole(1),
        default=1,
        about="Number of processes per conversion job. With `--cores 16`, 16 divided by this "
        "number is the number of jobs that run at once.",
    ),
    Option(
        name="series_timeout",
        kind=kinds.SECONDS,
        default=3600,
        about="Seconds after which the conversion of a volume is stopped; its row says so.",
    ),
    Option(
        name="series_memory",
        kind=whole(0),
        default=4000,
        about="Megabytes that the conversion of a volume may use beyond those of an idle process "
        "(about 150). A conversion that needs more is stopped, and its row says so. `0`: no limit. "
        "Linux only.",
    ),
    Option(
        name="retry_failed",
        kind=kinds.BOOLEAN,
        default=False,
        about="Convert again the volumes that failed and those in which an audit found damage; see "
        "docs/operations.md.",
    ),
    Option(
        name="scan_jobs",
        kind=whole(1),
        default=1,
        about="Number of jobs that read the headers of the datasets, each for a share of the "
        "folders. With 1, the job that makes the manifest reads them itself. The manifest is the "
        "same for any number.",
    ),
    Option(
        name="num_samples",
        kind=whole(0),
        default=10,
        changes=REPORT,
        about="Number of volumes that the report shows with pictures.",
    ),
    Option(
        name="sample_series",
        kind=kinds.SERIES,
        default=[],
        changes=REPORT,
        private=True,
        about="Series that the report shows in addition: a list of SeriesInstanceUID, or of "
        "series_hash or at least its first 8 digits.",
    ),
    Option(
        name="decisions",
        kind=kinds.PATH_OR_NONE,
        default="",
        changes=frozenset({Output.SUMMARY}),
        about="File with the decisions that people made in the report: its export as CSV or JSON. "
        "A volume that they rejected gets the status `rejected` in `summary_all.csv` at the next "
        "run; its store is kept.",
    ),
    # Those that only the environment names.
    Option(
        name="out_dir",
        kind=kinds.PATH,
        in_config=False,
        purpose="the folder for the manifest",
        about="Folder for the manifest (`manifest_dir` in a config).",
    ),
    Option(
        name="dataset_v1_root",
        kind=kinds.PATH,
        in_config=False,
        purpose="a dataset folder",
        about="Folder of the dataset `v1`; `DATASET_V2_ROOT` and so on for further datasets.",
    ),
    Option(
        name="dataset_version",
        kind=Kind(str, "all, or versions such as v1 or v1,v2", {}),
        default="all",
        in_config=False,
        about="Datasets to scan: `all` whose folder is set, or some of them, such as `v1`.",
    ),
    Option(
        name="scan_part",
        kind=whole(0),
        in_config=False,
        about="Number of the share of the folders to scan, from 0 and below `SCAN_JOBS`. "
        "Without it, the manifest is made of all shares.",
    ),
    Option(
        name="input_csv",
        kind=kinds.PATH,
        in_config=False,
        purpose="a CSV of series, such as series_shard_00.csv",
        about="The series to convert: a file of the manifest, or a CSV of your own with a column "
        "`series_dir`, whose folders are then scanned.",
    ),
    Option(
        name="shard_id",
        kind=whole(0),
        in_config=False,
        about="Number of the shard, from 0. A conversion takes this share of an unsharded CSV, out "
        "of `NUM_SHARDS`; an audit reads this shard only.",
    ),
    Option(
        name="summary_suffix",
        kind=kinds.SUFFIX,
        default="",
        in_config=False,
        about="The shard in the name of the summary: `shard_00` gives `summary_shard_00.csv`. If "
        "it is not set, the number follows from `SHARD_ID` or the name of the CSV.",
    ),
    Option(
        name="converted_root",
        kind=kinds.PATH,
        in_config=False,
        purpose="the folder for the converted volumes",
        about="Folder with the results, the same as `OUT_ROOT`.",
    ),
    Option(
        name="output_html",
        kind=kinds.PATH,
        in_config=False,
        about="File for the report. If it is not set, `verify_report.html` beside the summary.",
    ),
)

OPTIONS: dict[str, Option] = {option.name: option for option in _DECLARED}
"""Name → option, in the order of the documentation."""


def config_options() -> list[Option]:
    """The options of a config."""
    return [option for option in OPTIONS.values() if option.in_config]


def options_that_change(output: Output) -> list[str]:
    """The names of the options whose values change what a step makes."""
    return [option.name for option in OPTIONS.values() if output in option.changes]


def config_defaults() -> dict[str, Json]:
    """Option → value, for a config that names none."""
    return {option.name: option.default for option in config_options()}
