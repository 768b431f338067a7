"""Damaged bytes of any kind end in a volume or in an `InputError`, never in anything else."""

import gzip
import random

import nibabel
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sarcopenia.domain.errors import InputError
from sarcopenia.domain.geometry import regular_geometry
from sarcopenia.exchange.ct_writer import COMPRESSIONS, CtWriteOptions, ct_series_bytes
from sarcopenia.imaging import InputFile, read_series
from tests.ct_series import make_volume

VOLUME = make_volume(regular_geometry((3, 40, 50), (5.0, 0.8, 0.7)))
NIFTI = nibabel.Nifti1Image(VOLUME.hu_zyx.transpose(2, 1, 0), np.diag([-0.7, -0.8, 5.0, 1.0])).to_bytes()
HEADER_BYTES = 1600


def damaged(content: bytes, seed: int, within: int) -> bytes:
    """Some bytes changed, lost or put in, near the start where the header is."""
    chance = random.Random(seed)
    changed = bytearray(content)
    for _ in range(chance.choice([1, 3, 10, 40])):
        place, kind = chance.randrange(min(len(changed), within)), chance.random()
        if kind < 0.6:
            changed[place] = chance.randrange(256)
        elif kind < 0.8:
            del changed[place : place + chance.randrange(1, 20)]
        else:
            changed[place:place] = chance.randbytes(4)
    return bytes(changed)


def ends_well(files: list[InputFile]) -> bool:
    try:
        volume = read_series(files).chosen
    except InputError as error:
        return bool(error.message and error.next_step)
    return volume.hu_zyx.size > 0


@pytest.mark.parametrize("compression", COMPRESSIONS)
@given(seed=st.integers(0, 10**6), within=st.sampled_from([HEADER_BYTES, 10**6]))
@settings(max_examples=15, deadline=None)
def test_damaged_dicom(compression: str, seed: int, within: int) -> None:
    files = ct_series_bytes(VOLUME, CtWriteOptions(compression=compression))
    assert ends_well([InputFile(f.name, damaged(f.content, seed + i, within)) for i, f in enumerate(files)])


@given(seed=st.integers(0, 10**6))
@example(seed=2371)  # an affine in which two voxel axes point the same way
@settings(max_examples=40, deadline=None)
def test_damaged_nifti(seed: int) -> None:
    assert ends_well([InputFile("ct.nii", damaged(NIFTI, seed, 360))])
    assert ends_well([InputFile("ct.nii.gz", damaged(gzip.compress(NIFTI), seed, 10**6))])
