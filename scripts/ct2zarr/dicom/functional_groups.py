"""The functional groups of a multi-frame file, as elements of one frame (PS3.3 C.7.6.16)."""

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from ..model import Frame
from .element_values import Raw
from .header import RawHeader
from .tags import PER_FRAME_GROUPS, SHARED_GROUPS, STANDS_FOR


class GroupElements:
    """Elements of the functional groups by tag; those that are shared are read once per file."""

    def __init__(self) -> None:
        self._path = ""
        self._shared: dict[int, Raw] = {}

    def of_frame(self, frame: Frame, header: RawHeader) -> dict[int, Raw]:
        """Elements of one frame: its own come before those that all frames share."""
        if frame.path != self._path:
            shared = header.groups.get(SHARED_GROUPS, [])
            self._shared = _flat(shared[0]) if shared else {}
            self._path = frame.path
        own = header.groups.get(PER_FRAME_GROUPS, [])
        mine = _flat(own[frame.frame_number - 1]) if frame.frame_number <= len(own) else {}
        return {**self._shared, **mine}


def _flat(item: Dataset) -> dict[int, Raw]:
    """Elements of the first item of each macro of a functional group item."""
    found: dict[int, Raw] = {}
    for macro in list(item.keys()):
        try:
            sequence = item[macro].value
            inner = sequence[0] if sequence else None
        except Exception:  # noqa: BLE001, S112 - pydicom raises many kinds; the macro is lost alone
            continue
        if not isinstance(inner, Dataset):
            continue
        for tag in list(inner.keys()):
            element = inner.get_item(tag)
            if isinstance(element, RawDataElement) and element.value is not None:
                same = STANDS_FOR.get(int(tag))
                # Implicit VR: the element has the VR of its own tag, not of the one it stands for.
                vr = element.VR or (dictionary_VR(int(tag)) if same else "")
                found[same or int(tag)] = (vr, element.value)
    return found
