"""What leaves the product and how its test data is written: DICOM and NIfTI files."""
