"""A folder of JSON documents by key: results kept one by one while they are being made.

Each holds the hash of its content, so that one with a changed digit is made anew as well.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from rightfit._core.processes.codec import Record, from_plain, to_plain
from rightfit._core.processes.file_locks import hold, is_left
from rightfit._core.processes.regular_files import require_regular

Document = dict[str, Any]

logger = logging.getLogger(__name__)

HASH = "content_sha256"  # key of the hash; documents of earlier versions have none

_KEY = re.compile(r"[A-Za-z0-9._-]+")


class JsonStore:
    """JSON documents by key, each written whole or not at all.

    Args:
        folder: Where they lie, ``<key>.json``; created with the first document.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> Document | None:
        """Return the document of a key, ``None`` when there is none or it can't be read."""
        path = self.path_of(key)
        try:
            require_regular(path)
            document: Document = json.loads(
                path.read_text(encoding="utf-8"), parse_constant=_refuse_constant
            )
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError, IsADirectoryError) as err:  # no JSON, no UTF-8, no file
            _set_aside(path, err)
            return None
        if not isinstance(document, dict):
            _set_aside(path, TypeError(f"it holds a {type(document).__name__}"))
            return None
        if document.pop(HASH, None) not in (None, _hash(document)):
            _set_aside(path, ValueError("its hash is another"))
            return None
        return document

    def put(self, key: str, document: Document) -> None:
        """Write a document, replacing the one of the same key."""
        path = self.path_of(key)
        text = json.dumps({**document, HASH: _hash(document)})  # json.dump is far slower
        self.folder.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            _set_aside(path, IsADirectoryError("it is a folder"))
        handle, partial = tempfile.mkstemp(dir=self.folder, prefix=f".{key}.", suffix=".partial")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                hold(file)
                file.write(text)
                file.flush()
                Path(partial).replace(path)  # readers and interrupted writers never see half of it
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise

    def get_record(self, key: str, kind: type[Record]) -> Record | None:
        """Return the dataclass of a key, ``None`` when there is none that can be read."""
        document = self.get(key)
        if document is None:
            return None
        try:
            return from_plain(kind, document)
        except (ValueError, TypeError, AttributeError) as err:
            logger.warning(
                "The stored result %s has an unknown form (%s); it is made anew.", key, err
            )
            return None

    def put_record(self, key: str, record: object) -> None:
        """Write a dataclass, replacing the document of the same key."""
        self.put(key, to_plain(record))

    def sweep(self) -> None:
        """Remove what writers that were killed have left."""
        for path in self.folder.glob(".*.partial"):
            if is_left(path):
                path.unlink(missing_ok=True)

    def keys(self) -> list[str]:
        """Return the keys of all documents, in order."""
        return sorted(path.stem for path in self.folder.glob("[!.]*.json"))

    def path_of(self, key: str) -> Path:
        """Return where the document of a key lies, or would."""
        if not _KEY.fullmatch(key):
            raise ValueError(f"key must match {_KEY.pattern}, but got {key=}.")
        return self.folder / f"{key}.json"


def _hash(document: Document) -> str:
    """Return the SHA-256 of a document, which is the same once it was written and read."""
    return hashlib.sha256(json.dumps(document, allow_nan=False).encode()).hexdigest()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _set_aside(path: Path, reason: Exception) -> None:
    """Keep a damaged document under another name; what it held is made anew."""
    target = path.with_suffix(".damaged")
    if target.is_dir():
        shutil.rmtree(target)
    path.replace(target)
    logger.warning("%s is damaged (%s). It is kept as %s and made anew.", path, reason, target.name)
