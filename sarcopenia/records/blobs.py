"""Bytes under their own SHA-256, on any file system that fsspec knows: uploads, pixels and masks.

A blob is written under a temporary name and renamed when complete, before the database row that names it. A crash in
between leaves at most a blob that nothing names; a name never leads to half a blob. Blobs are never changed.
"""

import hashlib
import os
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import fsspec

from sarcopenia.domain.errors import RecordError, RecordNotFoundError, SettingsError

_FAN_OUT: Final = 2
"""Leading hex digits that name a blob's folder: no folder grows beyond 1/256 of the store."""


class BlobStore:
    """Content-addressed bytes below one fsspec URL, for example ``file:///srv/blobs`` or ``s3://bucket/blobs``.

    Raises `SettingsError` for a URL that no installed file system understands.
    """

    def __init__(self, url: str) -> None:
        try:
            file_system, root = fsspec.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise SettingsError(
                f"SARCOPENIA_BLOB_URL cannot be used: {error}", "Give a file:// URL, or install what the URL needs."
            ) from error
        self._fs: Any = file_system
        self._root: str = root.rstrip("/")

    def put(self, content: bytes) -> str:
        """Store bytes and return their SHA-256 (hex); the same bytes again are written only over a damaged blob.

        Raises `RecordError` when the store cannot be written.
        """
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        try:
            if not self._holds(path, content):
                self._write(path, content)
        except OSError as error:
            raise RecordError(
                f"The blob store cannot be written: {error}", "Check SARCOPENIA_BLOB_URL and the free space behind it."
            ) from error
        return digest

    def get(self, digest: str) -> bytes:
        """Bytes with this SHA-256.

        Raises `RecordNotFoundError` when they are missing and `RecordError` when they are damaged.
        """
        try:
            content: bytes = self._fs.cat_file(self._path(digest))
        except FileNotFoundError as error:
            raise RecordNotFoundError(
                f"The blob {digest[:12]}… is missing from the store.",
                "Restore the blob store from its backup; SARCOPENIA_BLOB_URL says where it is.",
            ) from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise RecordError(f"The blob {digest[:12]}… is damaged.", "Restore the blob store from its backup.")
        return content

    def _path(self, digest: str) -> str:
        return f"{self._root}/{digest[:_FAN_OUT]}/{digest}"

    def _holds(self, path: str, content: bytes) -> bool:
        try:
            return bool(self._fs.cat_file(path) == content)
        except FileNotFoundError:
            return False

    def _write(self, path: str, content: bytes) -> None:
        folder = path.rpartition("/")[0]
        if self._is_local:  # closed to other users: it holds images of patients
            Path(self._root).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fs.makedirs(folder, exist_ok=True)
        part = f"{path}.{uuid4().hex}.part"
        with self._fs.open(part, "wb") as file:
            file.write(content)
            if self._is_local:
                file.flush()
                os.fsync(file.fileno())
        self._fs.mv(part, path)
        if self._is_local:
            _sync_folder(folder)

    @property
    def _is_local(self) -> bool:
        return bool(getattr(self._fs, "local_file", False))


def _sync_folder(folder: str) -> None:
    """Make a rename survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
