"""Metadata documents of a store, read as JSON whatever they hold."""

import json
from typing import Any, NoReturn

from ..codes import Code
from ..errors import FileError, Private
from .base import Container
from .bounds import DOCUMENT_BYTES


def read_document(container: Container, key: str) -> dict[str, Any] | None:
    """The JSON object under ``key``, or ``None`` if there is no such key.

    Raises
    ------
    FileError
        The document is too large, no JSON, or no object.
    """
    value = container.get(key, most=DOCUMENT_BYTES)
    if value is None:
        return None
    try:
        document = parse_json(bytes(value))
    except ValueError as error:
        raise FileError(
            Code.STORE_DAMAGED,
            "{path}: {key} is damaged: {cause}",
            path=container.path,
            key=key,
            cause=Private(error),
        ) from error
    if not isinstance(document, dict):
        raise FileError(
            Code.STORE_DAMAGED, "{path}: {key} is no JSON object", path=container.path, key=key
        )
    return document


def parse_json(text: bytes | str) -> Any:
    """The value of a JSON text; ``ValueError`` for anything else.

    ``json.loads`` alone takes ``NaN`` and ``Infinity``, which JSON does not have, and ends in a
    ``RecursionError`` where brackets are thousands deep.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("its brackets are too deep") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")
