"""Folders, single files and archives: what is read, what is ignored, what is refused."""

import gzip
import io
import stat
import zipfile
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest

from sarcopenia.domain.errors import NotReadableError, TooLargeError, UnsafeArchiveError
from sarcopenia.exchange.ct_writer import CtWriteOptions, ct_series_bytes, write_ct_series
from sarcopenia.imaging import InputFile, files_from_path, read_series
from sarcopenia.imaging.files import MAX_FILES, RATIO_MATTERS_ABOVE_BYTES, check_amount, unpack_archives
from tests.ct_series import make_volume

VOLUME = make_volume()


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> InputFile:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return InputFile("upload.zip", buffer.getvalue())


def test_a_folder_with_sub_folders_and_files_without_extension_is_read(tmp_path: Path) -> None:
    write_ct_series(VOLUME, tmp_path / "study" / "series 1")
    for name in ("DICOMDIR", ".DS_Store", "__MACOSX/IM1"):
        (tmp_path / "study" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "study" / name).write_bytes(b"rubbish")
    files = files_from_path(tmp_path)
    assert [f.name for f in files] == [f"study/series 1/IM{i:05d}" for i in range(1, 21)]
    np.testing.assert_array_equal(read_series(files).chosen.hu_zyx, VOLUME.hu_zyx)


def test_one_file_is_one_slice(tmp_path: Path) -> None:
    path = write_ct_series(VOLUME, tmp_path)[7]
    np.testing.assert_array_equal(read_series(files_from_path(path)).chosen.hu_zyx, VOLUME.hu_zyx[7:8])


def test_a_missing_path_is_not_readable(tmp_path: Path) -> None:
    with pytest.raises(NotReadableError, match="nowhere"):
        files_from_path(tmp_path / "nowhere")


def test_a_zip_with_folders_equals_the_files(tmp_path: Path) -> None:
    files = ct_series_bytes(VOLUME)
    junk = {"__MACOSX/a/._IM1": b"x", "a/DICOMDIR": b"x", "a/.hidden": b"x", "a/notes.txt": b"x"}
    archive = zipped({f"a/b/{f.name}": f.content for f in files} | junk)
    (tmp_path / "upload").write_bytes(archive.content)
    result = read_series(files_from_path(tmp_path / "upload")).chosen
    assert result.series_hash == read_series(files).chosen.series_hash


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/etc/evil", "..\\evil", "C:\\evil", "a/b/..\\..\\..\\evil"]
)
def test_a_zip_that_leaves_its_folder_is_refused(name: str) -> None:
    archive = zipped({"IM1": b"x"} | {"x" * len(name): b"y"})
    evil = InputFile("evil.zip", archive.content.replace(b"x" * len(name), name.encode()))
    with pytest.raises(UnsafeArchiveError, match="leave its folder"):
        read_series([evil])


def test_a_zip_with_a_link_is_refused() -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(UnsafeArchiveError):
        unpack_archives([InputFile("a.zip", buffer.getvalue())])


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = zipped({"IM1": bytes(RATIO_MATTERS_ABOVE_BYTES + 1)})
    assert len(bomb.content) < 100_000
    with pytest.raises(UnsafeArchiveError, match="-fold"):
        unpack_archives([bomb])


def test_a_gzipped_nifti_bomb_is_refused() -> None:
    header = nibabel.Nifti1Image(np.zeros((2, 2, 2), dtype=np.int16), np.eye(4)).to_bytes()
    bomb = gzip.compress(header + bytes(RATIO_MATTERS_ABOVE_BYTES + 1))
    with pytest.raises(UnsafeArchiveError, match="64 MB"):
        read_series([InputFile("bomb.nii.gz", bomb)])


def test_a_deflated_dicom_bomb_is_refused() -> None:
    file = ct_series_bytes(VOLUME, CtWriteOptions(compression="deflate"))[0]
    start = 144 + int.from_bytes(file.content[140:144], "little")
    squeeze = zlib.compressobj(wbits=-15)
    data = zlib.decompress(file.content[start:], wbits=-15) + bytes(RATIO_MATTERS_ABOVE_BYTES)
    bomb = file.content[:start] + squeeze.compress(data) + squeeze.flush()
    with pytest.raises(UnsafeArchiveError, match="64 MB"):
        read_series([InputFile("bomb", bomb)])


def test_a_zip_that_declares_less_than_it_holds_gives_no_more_than_declared() -> None:
    honest = zipped({"IM1": bytes(1_000_000)})
    with zipfile.ZipFile(io.BytesIO(honest.content)) as archive:
        info = archive.infolist()[0]
    size, lie = info.file_size.to_bytes(4, "little"), (10).to_bytes(4, "little")
    with pytest.raises(NotReadableError):
        unpack_archives([InputFile("liar.zip", honest.content.replace(size, lie))])


def test_too_many_members_are_refused() -> None:
    with pytest.raises(TooLargeError, match=str(MAX_FILES)):
        unpack_archives([zipped({f"IM{i}": b"x" for i in range(MAX_FILES + 1)}, zipfile.ZIP_STORED)])


def test_more_bytes_than_accepted_are_refused() -> None:
    with pytest.raises(TooLargeError, match="4 GB"):
        check_amount(1, 5 * 1024**3)


def test_an_encrypted_zip_is_refused_with_a_word_on_the_password() -> None:
    archive = zipped({"IM1": b"x"}).content
    local, central = archive.index(b"PK\x03\x04"), archive.index(b"PK\x01\x02")
    encrypted = bytearray(archive)
    encrypted[local + 6] |= 1
    encrypted[central + 8] |= 1
    with pytest.raises(UnsafeArchiveError, match="password"):
        unpack_archives([InputFile("secret.zip", bytes(encrypted))])


def test_a_damaged_zip_is_not_readable() -> None:
    content = zipped({"IM1": bytes(1000)}).content
    with pytest.raises(NotReadableError):
        unpack_archives([InputFile("half.zip", content[: len(content) // 2])])
