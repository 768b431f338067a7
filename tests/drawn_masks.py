"""Masks as annotators export them, for tests: SliceOmatic tags, NIfTI and DICOM SEG of a CT series."""

import io
import tempfile
from collections.abc import Mapping
from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pydicom
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from sarcopenia.domain.volume import CtVolume
from sarcopenia.exchange.nifti_writer import write_volume_nifti
from sarcopenia.imaging import InputFile


def tag_bytes(tags_yx: np.ndarray, **header: object) -> bytes:
    """A tag file with the header keywords given, x and y added; ``None`` leaves a keyword out."""
    rows, columns = tags_yx.shape
    pairs = {"x": columns, "y": rows, "type": "BYTE", "uid": 7} | header
    lines = [f"{key}:{value}" for key, value in pairs.items() if value is not None]
    return b"* SliceOmatic\r\n" + "\r\n".join(lines).encode() + b"\r\n\x0c" + tags_yx.astype(np.uint8).tobytes()


def nifti_mask(volume: CtVolume, values_zyx: np.ndarray, name: str = "mask.nii") -> InputFile:
    """A NIfTI mask on the voxels of a series."""
    with tempfile.TemporaryDirectory() as folder:
        write_volume_nifti(volume, Path(folder) / "ct.nii")
        affine = nibabel.load(Path(folder) / "ct.nii").affine
    image = nibabel.Nifti1Image(np.ascontiguousarray(values_zyx.astype(np.uint8).transpose(2, 1, 0)), affine)
    return InputFile(name, image.to_bytes())


def segmentation(
    files: tuple[InputFile, ...], masks: Mapping[str, np.ndarray], *, code: Code = codes.SCT.Muscle
) -> InputFile:
    """A binary SEG with one segment for each label; masks of shape (z, y, x) in the order of the files."""
    images = [pydicom.dcmread(io.BytesIO(file.content)) for file in files]
    algorithm = highdicom.AlgorithmIdentificationSequence("hand", codes.DCM.ArtificialIntelligence, "1")
    descriptions = [
        highdicom.seg.SegmentDescription(
            number, label, codes.SCT.Tissue, code, highdicom.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC, algorithm
        )
        for number, label in enumerate(masks, start=1)
    ]
    seg = highdicom.seg.Segmentation(
        images,
        np.stack([mask.astype(np.uint8) for mask in masks.values()], axis=-1),
        highdicom.seg.SegmentationTypeValues.BINARY,
        descriptions,
        highdicom.UID(),
        1,
        highdicom.UID(),
        1,
        "test",
        "test",
        "1",
        "1",
    )
    buffer = io.BytesIO()
    seg.save_as(buffer)
    return InputFile("seg.dcm", buffer.getvalue())
