"""HU of each tissue by contrast phase and tube voltage.

Values without contrast at 120 kV and the enhancement of each phase are rounded from textbook ranges of abdominal CT;
iodine and bone scale with the effective energy of the beam.
"""

from dataclasses import dataclass

import numpy as np

from sarcopenia.domain.volume import ContrastPhase
from sarcopenia.phantom.spec import PhantomSpec

AIR_HU = -1000.0
LUNG_HU = -850.0
METAL_HU = 3000.0

# Enhancement in HU at 120 kV: (arterial, portal venous, late).
_ENHANCEMENT_HU = {
    "muscle": (3, 8, 6),
    "liver": (12, 52, 38),
    "spleen": (65, 72, 50),
    "kidney_cortex": (125, 138, 110),
    "kidney_medulla": (35, 112, 118),
    "artery": (260, 115, 75),
    "vein": (25, 105, 80),
    "gland": (60, 55, 40),
    "bowel_wall": (40, 50, 38),
    "heart": (180, 110, 75),
}
_PLAIN_HU = {
    "liver": 58.0,
    "spleen": 48.0,
    "kidney_cortex": 34.0,
    "kidney_medulla": 31.0,
    "artery": 40.0,
    "vein": 38.0,
    "gland": 38.0,
    "bowel_wall": 36.0,
    "heart": 40.0,
}
_PHASES = (ContrastPhase.ARTERIAL, ContrastPhase.PORTAL_VENOUS, ContrastPhase.LATE)
_KVP = (70.0, 80.0, 100.0, 120.0, 140.0)
_IODINE_GAIN = (2.0, 1.7, 1.28, 1.0, 0.83)
_BONE_GAIN = (1.55, 1.4, 1.16, 1.0, 0.9)
_FAT_HU = (-118.0, -113.0, -104.0, -98.0, -93.0)


@dataclass(frozen=True)
class TissueHu:
    """HU of the tissues of one scan."""

    muscle: float
    fat: float
    skin: float
    cortical: float
    trabecular: float
    cartilage: float
    disc: float
    canal: float
    liver: float
    spleen: float
    kidney_cortex: float
    kidney_medulla: float
    artery: float
    vein: float
    gland: float
    bowel_wall: float
    heart: float
    fluid: float


def tissue_hu(spec: PhantomSpec) -> TissueHu:
    """HU of all tissues for the phase and tube voltage of a scan."""
    iodine = float(np.interp(spec.kvp, _KVP, _IODINE_GAIN))
    bone = float(np.interp(spec.kvp, _KVP, _BONE_GAIN))
    plain = {**_PLAIN_HU, "muscle": spec.muscle_hu}
    enhanced = {
        name: plain[name] + iodine * (gains[_PHASES.index(spec.phase)] if spec.phase in _PHASES else 0)
        for name, gains in _ENHANCEMENT_HU.items()
    }
    return TissueHu(
        fat=float(np.interp(spec.kvp, _KVP, _FAT_HU)),
        skin=45.0,
        cortical=(640.0 + 2.0 * spec.bone_hu) * bone,
        trabecular=spec.bone_hu * bone,
        cartilage=95.0 * bone,
        disc=78.0 * bone,
        canal=22.0,
        fluid=12.0,
        **enhanced,
    )
