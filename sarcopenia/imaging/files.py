"""Files as they come in: a name and its bytes, from a folder, a single file or a .zip; and how much is accepted.

A zip is never unpacked to the disk. It is refused when a member would leave its folder (zip slip), when it is
password-protected, or when it grows beyond what CT data can (zip bomb).
"""

import io
import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from sarcopenia.domain.errors import NotReadableError, TooLargeError, UnsafeArchiveError

MAX_FILES: Final = 4_000
"""A whole abdominal study with all its reconstructions stays below this."""
MAX_TOTAL_BYTES: Final = 4 * 1024**3
MAX_COMPRESSION_RATIO: Final = 200
"""CT packs 2- to 4-fold, an empty slice 500-fold, a bomb 1000-fold throughout."""
RATIO_MATTERS_ABOVE_BYTES: Final = 64 * 1024**2
"""Small archives may be mostly air: nothing can explode below this."""
ZIP_MAGIC: Final = b"PK\x03\x04"
IGNORED_NAMES: Final = frozenset({"dicomdir", "thumbs.db", "desktop.ini"})
_ENCRYPTED_BIT: Final = 0x1
_DAMAGED: Final = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError, OSError)
"""What `zipfile` and its decompressors raise on damaged archives."""


@dataclass(frozen=True)
class InputFile:
    """One file: its name (with folders where known) and its bytes."""

    name: str
    content: bytes


def files_from_path(path: Path) -> tuple[InputFile, ...]:
    """Read a folder with its sub-folders, one file, or one .zip (kept packed; `read_series` unpacks it).

    Raises
    ------
    NotReadableError: the path is missing or cannot be read.
    TooLargeError: more files or bytes than the product accepts.
    """
    try:
        paths = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        wanted = [p for p in paths if p == path or is_wanted(p.relative_to(path).as_posix())]
        check_amount(len(wanted), sum(p.stat().st_size for p in wanted))
        root = path if path.is_dir() else path.parent
        return tuple(InputFile(p.relative_to(root).as_posix(), p.read_bytes()) for p in wanted)
    except OSError as error:
        raise NotReadableError(f"{path} cannot be read: {error.strerror}.") from error


def check_amount(file_count: int, total_bytes: int) -> None:
    """Raise `TooLargeError` beyond `MAX_FILES` or `MAX_TOTAL_BYTES`."""
    if file_count > MAX_FILES:
        raise TooLargeError(f"{file_count} files; at most {MAX_FILES} are accepted.")
    if total_bytes > MAX_TOTAL_BYTES:
        size, limit = total_bytes / 1024**3, MAX_TOTAL_BYTES / 1024**3
        raise TooLargeError(f"{size:.1f} GB; at most {limit:.0f} GB are accepted.")


def most_unpacked_bytes(packed_bytes: int) -> int:
    """How large something packed may become before it counts as a bomb."""
    return min(MAX_TOTAL_BYTES, max(RATIO_MATTERS_ABOVE_BYTES, MAX_COMPRESSION_RATIO * packed_bytes))


def is_wanted(name: str) -> bool:
    """False for what operating systems and CD writers leave behind: hidden files, __MACOSX, DICOMDIR."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or parts[-1].lower() in IGNORED_NAMES:
        return False
    return not any(part.startswith(".") or part == "__MACOSX" for part in parts)


def unpack_archives(files: Sequence[InputFile]) -> tuple[InputFile, ...]:
    """Replace every zip by its members; other files stay, unwanted ones go. Zips inside a zip are not opened.

    Raises
    ------
    UnsafeArchiveError: a member leaves its folder, is a link or encrypted, or the archive explodes in size.
    NotReadableError: a damaged archive.
    TooLargeError: more files or bytes than the product accepts.
    """
    check_amount(len(files), sum(len(file.content) for file in files))
    unpacked: list[InputFile] = []
    for file in files:
        if file.content[:4] == ZIP_MAGIC:
            unpacked += _members(file)
        elif is_wanted(file.name):
            unpacked.append(file)
    check_amount(len(unpacked), sum(len(file.content) for file in unpacked))
    return tuple(unpacked)


def _members(archive: InputFile) -> Iterable[InputFile]:
    try:
        with zipfile.ZipFile(io.BytesIO(archive.content)) as opened:
            infos = [info for info in opened.infolist() if not info.is_dir()]
            _refuse_unsafe(archive, infos)
            wanted = [info for info in infos if is_wanted(info.filename)]
            return [InputFile(info.filename, opened.read(info)) for info in wanted]
    except _DAMAGED as error:
        raise NotReadableError(f"The archive {archive.name} is damaged or packed in an unknown way.") from error


def _refuse_unsafe(archive: InputFile, infos: Sequence[zipfile.ZipInfo]) -> None:
    """Check the declared names and sizes; zipfile never delivers more bytes than a member declares."""
    if any(info.flag_bits & _ENCRYPTED_BIT for info in infos):
        raise UnsafeArchiveError(f"The archive {archive.name} is protected by a password.")
    for info in infos:
        if _leaves_folder(info.filename) or stat.S_ISLNK(info.external_attr >> 16):
            raise UnsafeArchiveError(f"The archive {archive.name} holds a file that would leave its folder.")
    total = sum(info.file_size for info in infos)
    check_amount(len(infos), total)
    if total > most_unpacked_bytes(len(archive.content)):
        raise UnsafeArchiveError(f"The archive {archive.name} would grow {total // len(archive.content)}-fold.")


def _leaves_folder(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or ":" in name.split("/", maxsplit=1)[0]
