"""The tables and sentences of docs/performance.md, each from the results of one benchmark."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Found = Mapping[str, Any]

NAMES = {
    "floor": "the floor", "ct2zarr": "ct2zarr", "ct2zarr_verify_3": "ct2zarr, 3 slices verified",
    "dcm2niix": "dcm2niix, plain NIfTI", "dcm2niix_gzip": "dcm2niix, gzip",
    "simpleitk": "SimpleITK, reading only", "dicom2nifti": "dicom2nifti, gzip",
    "highdicom": "highdicom, reading only", "script": "pydicom and zarr, the usual script",
}  # fmt: skip


NOTES = """
What was tried, and what was kept:

- To verify a plane, all of its chunks must be decompressed. Only the bits of that plane are
  reordered (`blosc_frames.py`), zarr is not involved, and a compiled decoder verifies RLE.
  Smaller blocks within a chunk would be cheaper still, but cost compression and slow every other
  read.
- The digest of the store is made of CRC-32s, computed while writing. SHA-1 took three times as
  long, an MD5 of what was read back ten times. The MD5 of every plane is part of the format and
  therefore of the floor.
- Two workers take no more CPU than one, share nothing but the disk, and take the longest series
  first. Whether they are twice as fast depends on the cores that are free.
- A dry run is Snakemake's own work on thousands of jobs. When `rule all` named the list of
  summaries, Snakemake hashed the whole list for each of them.
"""
CONVERSION = """{planes} slices of 512 x 512 of a synthetic chest. The floor is the cheapest code
for the unavoidable steps (`benchmarks/floor.py`): read, decode with the fastest decoder, add the
intercept, MD5 of every plane, Blosc, append to a file. It interprets no headers, checks nothing,
records nothing and syncs nothing. SimpleITK and highdicom write nothing here.
"""
STEPS = """Each step by itself on all planes. "The rest" is the difference to the whole conversion:
the record, slices.csv, metadata, the loop itself, and caches for which the steps compete. After
decoding, most of the time goes to MD5 and Blosc, which are in the floor too.

"""
MEMORY = """Peak resident memory of a process that converts one series and verifies 3 slices,
libraries included. It grows with the list of files, about 5 KB for each; the whole volume of 4,000
planes would be 2.1 GB.

"""
COMPRESSION = """Geometric means over {} volumes: the synthetic chest and the real sets that are
large enough. Blosc alone, one thread. The chosen setting is level 1 with bitshuffle and one block
per chunk. Byte shuffle is as good: it compresses some scans better and others worse, and decodes
a chunk faster and a single plane slower, which is no reason to change the format. Higher levels
take two to ten times the CPU for a few percent; smaller blocks cost compression and speed. Larger
chunks compress slightly better and faster but read more for a patch, flat chunks several times as
much.

"""
SCANNING = """Files in the page cache, with headers of a usual length. ct2zarr walks the elements
itself, keeps the raw bytes of those it needs, and leaves unusual files to pydicom.

"""
SHARDS = """Jobs as a user starts them: JPEG lossless series of 20 to 96 planes and one of 300. Wall
time improves only on an otherwise idle machine with a core for each worker. CPU time that does not
grow with the number of workers shows that they do not slow each other down.

"""
WORKFLOW = """The series are small (40 planes of JPEG lossless), so starting a job takes as long
as its conversions; shards of a real collection run for an hour.

"""
COLLECTION = """The tables consist of rows of a real run, repeated under other names.

"""
READING = """CPU milliseconds, one thread, warm, a volume of {}. `open_volume` decompresses
chunks from SQLite, zip or folder straight into the output, without zarr. Opening takes {} ms.
Four forked processes read an inherited volume without an error.

"""


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown; the first column is text, the others are numbers."""
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def targets(found: Mapping[str, Found]) -> str:
    """Each target with the measured value, and whether it is met."""
    rows = [
        (what, f"{limit:g}", f"{value:.3g}", "yes" if met else "**no**")
        for what, value, limit, met in _targets(found)
    ]
    return table(("target", "limit", "measured", "met"), rows)


Target = tuple[str, float, float, bool]


def _at_most(what: str, value: float, limit: float) -> Target:
    return f"{what}, at most", value, limit, value <= limit


def _at_least(what: str, value: float, limit: float) -> Target:
    return f"{what}, at least", value, limit, value >= limit


def _targets(found: Mapping[str, Found]) -> Iterable[Target]:
    for encoding, ways in found["conversion"]["encodings"].items():
        name, ours = encoding.replace("_", " "), ways["ct2zarr"]
        yield _at_most(f"CPU of a conversion relative to the floor, {name}", ours["to_floor"], 1.3)
        verified = ways["ct2zarr_verify_3"]["to_ct2zarr"]
        yield _at_most(f"CPU with 3 slices verified relative to none, {name}", verified, 1.1)
    if "memory" in found:
        of_runs = [runs.values() for runs in found["memory"]["encodings"].values()]
        peak = max(run["peak_mb"] for runs in of_runs for run in runs)
        yield _at_most("peak memory of a conversion, MB", peak, 350)
    if "scanning" in found:
        cpu = {name: run["cpu"] for name, run in found["scanning"]["ways"].items()}
        cheapest = min(cpu["pydicom"], cpu.get("dicomsdl", cpu["pydicom"]))
        to_cheapest = cpu["ct2zarr_headers"] / cheapest
        yield _at_most("reading headers, CPU relative to the best other reader", to_cheapest, 1.3)
        yield _at_least(
            "first scan relative to a repeated one, CPU", cpu["scan_1_process"] / cpu["rescan"], 20
        )
    if "shards" in found:
        startup = found["shards"]["jobs"]["startup"]["cpu"]
        yield _at_least("throughput of two workers relative to one", found["shards"]["gain"], 1.8)
        yield _at_most("start-up of a shard job, CPU s", startup, 1)
    if "workflow" in found:
        yield _at_most(
            "workflow relative to its jobs without Snakemake, CPU",
            found["workflow"]["overhead"],
            1.25,
        )
    if "collection" in found:
        runs = found["collection"]["runs"]
        yield _at_most("dry run of 4,096 shards, CPU s", runs["dry_run"]["cpu"], 10)
        both = [runs[name] for name in ("aggregate", "report")]
        total, peak = sum(run["cpu"] for run in both), max(run["peak_mb"] for run in both)
        yield _at_most("aggregate and report of 100,000 rows, CPU s", total, 60)
        yield _at_most("the same, peak MB", peak, 1000)
    if "reading" in found:
        ways = found["reading"]["ways"]
        for what in ("patches", "whole"):
            cpu = {name: run["cpu"] for name, run in ways[what].items()}
            slowest = max(cpu[name] for name in cpu if name.startswith("ct2zarr"))
            best = min(cpu[name] for name in cpu if name.startswith(("zarr", "tensorstore")))
            yield _at_most(
                f"reading {what}, slowest store relative to the best other reader",
                slowest / best,
                1.2,
            )
        yield _at_most("opening a volume, ms", max(ways["opening_ms"].values()), 2)


def conversion(found: Found) -> str:
    """CPU, wall time, memory and output of every converter, in a table per encoding."""
    parts = [CONVERSION.format(**found)]
    for encoding, ways in found["encodings"].items():
        rows = [
            (NAMES[name], f"{run['cpu']:.2f}", f"{run['wall']:.2f}", f"{run['to_floor']:.2f}",
             f"{run['to_ct2zarr']:.2f}", f"{run['peak_mb']:.0f}",
             f"{run['result']['bytes'] / 1e6:.0f}" if run["result"].get("bytes") else "")
            for name, run in ways.items()
        ]  # fmt: skip
        header = (
            "",
            "CPU s",
            "wall s",
            "relative to floor",
            "relative to ct2zarr",
            "peak MB",
            "output MB",
        )
        parts.append(f"### {encoding.replace('_', ' ')}\n\n{table(header, rows)}")
    return "\n".join(parts)


def steps(found: Found) -> str:
    """Milliseconds per plane for each step."""
    encodings = list(found["encodings"])
    names = list(found["encodings"][encodings[0]])
    rows = [(name, *(f"{found['encodings'][e][name]:.2f}" for e in encodings)) for name in names]
    header = ("CPU ms per slice", *(encoding.replace("_", " ") for encoding in encodings))
    return STEPS + table(header, rows)


def memory(found: Found) -> str:
    """Peak memory by number of planes."""
    encodings = found["encodings"]
    counts = list(next(iter(encodings.values())))
    rows = [
        (name.replace("_", " "), *(f"{runs[count]['peak_mb']:.0f}" for count in counts))
        for name, runs in encodings.items()
    ]
    header = ("peak MB", *(f"{count} planes" for count in counts))
    return MEMORY + table(header, rows)


def compression(found: Found) -> str:
    """The comparison of settings."""
    rows = [
        (name, *(f"{of_setting['all'][key]:.{digits}f}" for key, digits in
                 (("ratio", 2), ("encode", 0), ("decode", 0), ("patch_ms", 2), ("plane_ms", 2))))
        for name, of_setting in found["settings"].items()
    ]  # fmt: skip
    header = ("zstd, shuffle, level, block, chunk", "ratio", "encode MB/s", "decode MB/s",
              "patch of 96³ ms", "plane ms")  # fmt: skip
    return COMPRESSION.format(len(found["volumes"])) + table(header, rows)


def scanning(found: Found) -> str:
    """Seconds for each way to read headers."""
    files, many = found["files"], found["files"] * found["copies"]
    words = {
        "scan_1_process": f"scan of {many:,} files, 1 process", "rescan": "again, unchanged",
        "scan_2_processes": f"scan of {many:,} files, 2 processes",
        "ct2zarr_headers": f"headers of {files:,} files, ct2zarr",
        "pydicom": "the same, pydicom with specific_tags", "dicomsdl": "the same, dicomsdl",
    }  # fmt: skip
    rows = [(words[n], f"{r['cpu']:.2f}", f"{r['wall']:.2f}") for n, r in found["ways"].items()]
    return SCANNING + table(("", "CPU s", "wall s"), rows)


def shards(found: Found) -> str:
    """One and two workers, and the start-up."""
    words = {
        "one_worker": f"{found['series']} series, 1 worker",
        "two_workers": "2 workers",
        "startup": "a job of one tiny series: its start-up",
    }
    return SHARDS + _runs(words, found["jobs"])


def workflow(found: Found) -> str:
    """Snakemake compared with the jobs alone."""
    words = {
        "workflow": f"{found['series']} series in {found['shards']} shards through Snakemake",
        "jobs": "the same jobs one after the other, without Snakemake",
    }
    return WORKFLOW + _runs(words, found["runs"])


def collection(found: Found) -> str:
    """Dry run, aggregate and report with 100,000 series."""
    words = {
        "dry_run": f"dry run, {found['shards']:,} shards and {found['series']:,} series",
        "aggregate": f"aggregate, {found['series']:,} rows",
        "report": f"report, {found['series']:,} rows",
    }
    return COLLECTION + _runs(words, found["runs"])


def _runs(words: Mapping[str, str], runs: Found) -> str:
    rows = [
        (words[name], f"{run['cpu']:.2f}", f"{run['wall']:.2f}", f"{run['peak_mb']:.0f}")
        for name, run in runs.items()
    ]
    return table(("", "CPU s", "wall s", "peak MB"), rows)


def reading(found: Found) -> str:
    """Patches and whole volumes by reader and store."""
    ways = found["ways"]
    count = found["patches"]
    rows = [
        (name.replace("_", ", "), f"{1e3 * run['cpu'] / count:.2f}",
         f"{1e3 * ways['whole'][name]['cpu']:.0f}")
        for name, run in ways["patches"].items()
    ]  # fmt: skip
    opening = ", ".join(f"{store} {ms:.2f}" for store, ms in ways["opening_ms"].items())
    size = " x ".join(map(str, found["shape"]))
    return READING.format(size, opening) + table(
        ("", f"patch of {found['patch']}³", "whole volume"), rows
    )
