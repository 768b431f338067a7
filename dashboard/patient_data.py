"""What pages read of one patient's scans, gathered at one place."""

from collections.abc import Sequence

from dashboard.review_view import version_number
from dashboard.trend_view import TrendScan
from sarcopenia.records import Records, ScanSummary


def dated_trend_scans(records: Records, scans: Sequence[ScanSummary]) -> tuple[TrendScan, ...]:
    """What the trend needs of every scan that has a date and a measurement."""
    return tuple(
        TrendScan(
            scan.scan_id,
            scan.study_date,
            scan.latest,
            version_number(records.measurements.of_scan(scan.scan_id), scan.latest.measurement_id),
            scan.header,
        )
        for scan in scans
        if scan.latest is not None and scan.study_date is not None
    )
