"""Measure the memory of a conversion, which must not grow with the number of planes."""

from functools import partial
from pathlib import Path
from typing import Any

import measure
from conversion import ENCODINGS, VERIFIED_PLANES, in_scratch

PLANES = (200, 1000, 4000)


def main() -> None:
    arguments = measure.arguments_of(__doc__).parse_args()

    from series import clones, scan_files

    found: dict[str, Any] = {}
    for encoding in ENCODINGS:
        files = scan_files(arguments.cache, arguments.planes, encoding)
        place = arguments.cache / f"long_{encoding}"
        if not place.is_dir():
            clones(files, place, [(f"planes_{planes}", planes) for planes in PLANES])
        tasks = {
            str(planes): partial(
                in_scratch, arguments.cache, "ct2zarr",
                folder=str(Path(place, f"planes_{planes}")), verify=VERIFIED_PLANES,
            )
            for planes in PLANES
        }  # fmt: skip
        print(f"memory, {encoding}")
        found[encoding] = {
            name: measure.summary(runs) for name, runs in measure.in_turn(tasks, 1).items()
        }
        measure.save(arguments.results, "memory", {"encodings": found})


if __name__ == "__main__":
    main()
