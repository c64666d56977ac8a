"""What a store says of its volume in the attribute ``ct2zarr``: flags, values, provenance."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ..dicom.rescale import Rescale, rescale_of
from ..model import Json, RaisedFlag, VolumePlan
from ..plan.grouping import whole_flags
from ..run.settings import ConvertSettings
from ..store.attributes import RECORD_ONLY
from ..store.zarr_documents import COMPRESSOR
from ..version import FORMAT_VERSION, __version__
from ..vocabulary import Flag
from .provenance import library_versions, output_settings
from .write_attempt import WriteAttempt, rescaled_padding


@dataclass(frozen=True, slots=True)
class Source:
    """What identifies the source of a volume.

    Attributes
    ----------
    fingerprint
        Of the files and settings, for ``source_fingerprint``.
    manifest_md5
        Of the manifest that names the volume; see ``run.checksums``.
    refused
        Index in the array → decoders that could not read the plane, as a verification found.
    """

    fingerprint: str = ""
    manifest_md5: str = ""
    refused: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


def volume_attributes(
    plan: VolumePlan,
    settings: ConvertSettings,
    attempt: WriteAttempt,
    source: Source,
    flags: Sequence[RaisedFlag],
    values: Mapping[str, Json],
    geometry: Mapping[str, Json],
) -> dict[str, Json]:
    """The attribute ``ct2zarr`` of the group."""
    layout = attempt.layout()
    return {
        "version": __version__,
        "format_version": FORMAT_VERSION,
        "values": dict(values),
        "flags": [str(raised.flag) for raised in flags],
        **{name: value for name, value in geometry.items() if name not in RECORD_ONLY},
        "series_hash": plan.series_hash,
        "source_fingerprint": source.fingerprint,
        "encoding": {
            "zarr_format": layout.zarr_format,
            "chunks": list(layout.chunks),
            "dtype": layout.dtype,
            "compressor": f"blosc-{COMPRESSOR}",
            "shuffle": "bitshuffle",
            "compression_level": layout.compression_level,
        },
        "levels": [level.as_json() for level in attempt.levels],
        "settings": output_settings(settings),
        "libraries": dict(library_versions()),
        "manifest_md5": source.manifest_md5,
    }


def all_flags(
    plan: VolumePlan,
    settings: ConvertSettings,
    attempt: WriteAttempt,
    source: Source,
    unparsed: Mapping[str, Json],
) -> tuple[RaisedFlag, ...]:
    """The flags of the plan, and those that only the pixels or whole headers show.

    Parameters
    ----------
    unparsed
        Elements that could not be parsed, as in ``SeriesMetadata``.
    """
    evidence: dict[Flag, dict[str, Json]] = {
        raised.flag: dict(raised.evidence) for raised in whole_flags(plan)
    }
    if Flag.PADDING in evidence:
        pixels = attempt.padding_pixels
        total = int(np.prod(attempt.layout().shape))
        evidence[Flag.PADDING] |= {"pixels": pixels, "share": round(pixels / total, 6)}
    if unparsed:
        evidence.setdefault(Flag.UNPARSED_ELEMENTS, {})["tags"] = dict(unparsed)
    refused = {**attempt.refused, **source.refused}
    if refused:
        evidence[Flag.DOUBTFUL_PIXELS] = _doubtful(refused)
    contradictions = attempt.bits.evidence()
    if contradictions:
        evidence[Flag.CONTRADICTED_HEADER] = dict(contradictions)
    if _kind(plan, settings) in ("hu", "unscaled"):
        suspicious = attempt.hu_check.evidence()
        if suspicious is not None:
            evidence[Flag.SUSPICIOUS_HU] = suspicious
    return tuple(RaisedFlag(flag, evidence[flag]) for flag in Flag if flag in evidence)


def _doubtful(refused: Mapping[int, tuple[str, ...]]) -> dict[str, Json]:
    """The evidence that planes were refused by decoders."""
    planes = Counter(name for names in refused.values() for name in names)
    return {"planes": len(refused), "refused_by": dict(sorted(planes.items()))}


def values_written(plan: VolumePlan, settings: ConvertSettings) -> Literal["hu", "stored"]:
    """Whether planes are rescaled. Where one of them has no rescale none is, so that the array
    holds one kind of value."""
    without = any(raised.flag is Flag.NO_RESCALE for raised in plan.flags)
    return "stored" if without else settings.encoding.values


def _kind(plan: VolumePlan, settings: ConvertSettings) -> str:
    """Whether the array has HU, stored values, values of another unit, or no rescale at all."""
    flags = {raised.flag for raised in plan.flags}
    if settings.encoding.values == "stored":
        return "stored"
    if Flag.NOT_HU in flags:
        return "rescaled"
    return "unscaled" if Flag.NO_RESCALE in flags else "hu"


def values_attribute(
    plan: VolumePlan, settings: ConvertSettings, attempt: WriteAttempt
) -> dict[str, Json]:
    """The attribute ``values``: what the numbers mean. What differs between planes is ``None``."""
    rescales = [Rescale.of(plane) for plane in plan.planes]
    written = [rescale_of(plane, values_written(plan, settings)) for plane in plan.planes]
    kind = _kind(plan, settings)
    units = {
        "hu": "HU",
        "rescaled": _common({plane.rescale_type for plane in plan.planes}) or "",
        "unscaled": "",
        "stored": "",
    }[kind]
    paddings = {
        rescaled_padding(plane.padding_value, rescale)
        for plane, rescale in zip(plan.planes, written, strict=True)
    }
    return {
        "kind": "stored" if kind == "unscaled" else kind,
        "slope": _common({rescale.slope for rescale in rescales}),
        "intercept": _common({rescale.intercept for rescale in rescales}),
        "units": units,
        "padding_value": _common(paddings),
        "minimum": attempt.minimum,
        "maximum": attempt.maximum,
    }


def _common(values: set[Any]) -> Any:
    """The value if all planes share it, else None."""
    return next(iter(values)) if len(values) == 1 else None
