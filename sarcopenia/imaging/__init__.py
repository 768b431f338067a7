"""From bytes to a `CtVolume`: DICOM folder, files, zip, one slice, NIfTI; series choice; geometry; HU.

`read_series` chooses the axial CT series by itself and says in words why each other series was rejected. Rows and
columns stay as stored, nothing is resampled; slices run from the feet to the head.

Warnings in ``CtVolume.report.warnings``
----------------------------------------
====================  =================================================================================================
code                  meaning
====================  =================================================================================================
``single_slice``      one slice only: its level cannot be checked
``gap``               slices are missing; each slice kept its own position
``varying_spacing``   the distance between slices varies by more than 10 %
``duplicate_slices``  images at the position of another one were left out
``damaged_slices``    slices whose pixels could not be read were left out
``gantry_tilt``       slices are not perpendicular to the line along which they are stacked (more than 0.5°)
``thick_slices``      slices thicker or farther apart than 5.5 mm
``lossy``             the images were compressed with loss
====================  =================================================================================================

The codes of rejected series stand in `sarcopenia.imaging.suitability.REASONS`, the order of preference in
`sarcopenia.imaging.ranking.RANKING`.
"""

from sarcopenia.imaging.files import InputFile, files_from_path
from sarcopenia.imaging.reader import read_series
from sarcopenia.imaging.selection import RejectedSeries, SeriesSelection

__all__ = ["InputFile", "RejectedSeries", "SeriesSelection", "files_from_path", "read_series"]
