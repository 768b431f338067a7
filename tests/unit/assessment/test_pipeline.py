from dataclasses import replace

import numpy as np
import pytest

from sarcopenia.assessment import AssessmentFinished, AssessmentOptions, Stage, StageEvent, assess, run_assessment
from sarcopenia.domain.errors import ServerUnavailableError, SliceNotFoundError
from sarcopenia.domain.results import AcceptanceRule, Degradation, LevelRule, Severity, Verdict
from sarcopenia.inference.contract import CONTRACTS, ModelSet
from sarcopenia.inference.fake import FakeModelClient, known_spine, simple_compartments
from sarcopenia.phantom import PhantomSpec, make_phantom

SPEC = PhantomSpec(seed=5, pixel_spacing_mm=3.0, shape_yx=(112, 144), slice_spacing_mm=6.0, noise_sd_hu=6.0)


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(SPEC)


def client_for(phantom, **options):
    return FakeModelClient(
        spine=known_spine(phantom.volume.geometry.slice_z_mm, phantom.vertebral_coordinate_z), **options
    )


def codes(assessment):
    return {flag.code for flag in assessment.measurement.flags}


def test_events_come_in_order_and_end_with_the_result(phantom):
    events = list(assess(phantom.volume, client_for(phantom)))
    stages = [event.stage for event in events if isinstance(event, StageEvent)]
    assert stages == [Stage.PROJECT, Stage.LOCATE, Stage.SEGMENT, Stage.MEASURE]
    assert isinstance(events[-1], AssessmentFinished)


def test_the_slice_at_mid_l3_is_measured(phantom):
    result = run_assessment(phantom.volume, client_for(phantom))
    measurement = result.measurement
    assert measurement.level == "L3"
    assert measurement.slice_z_mm == pytest.approx(phantom.level_z_mm["L3"], abs=SPEC.slice_spacing_mm / 2 + 2)
    assert measurement.slice_sop_instance_uid == phantom.volume.sop_instance_uids[measurement.slice_index]
    truth = phantom.true_composition(measurement.slice_index)
    assert measurement.composition.sma_cm2 == pytest.approx(truth.sma_cm2, rel=0.35)
    muscle = result.arrays.compartments.muscle_yx
    area = result.arrays.plane.pixel_area_mm2
    assert measurement.composition.sma_cm2 == pytest.approx(muscle.sum() * area / 100)


def test_the_uncertainty_comes_from_the_members(phantom):
    uncertainty = run_assessment(phantom.volume, client_for(phantom)).measurement.uncertainty
    assert len(uncertainty.member_sma_cm2) == 3
    assert 0 < uncertainty.sma_cov_percent < 50
    assert 0 < uncertainty.entropy < np.log(5)
    assert 0 < uncertainty.variance < 0.25


def test_the_result_carries_its_provenance(phantom):
    provenance = run_assessment(phantom.volume, client_for(phantom)).measurement.provenance
    assert [model.name for model in provenance.models] == [contract.name for contract in CONTRACTS]
    assert provenance.series_hash == phantom.volume.series_hash
    assert provenance.level_rule is LevelRule.MID_L3
    assert provenance.software_version


def test_the_limits_of_the_weights_decide_and_are_kept(phantom):
    """The spread of the fake's members lies between the limits in turn."""
    cov = run_assessment(phantom.volume, client_for(phantom)).measurement.uncertainty.sma_cov_percent
    for limits, expected in (
        ((2 * cov, 3 * cov), None),
        ((cov / 2, 2 * cov), "area_uncertain"),
        ((0, cov / 2), "area_rejected"),
    ):
        rule = AcceptanceRule(*limits, 1.0, 0.8, 0.6)
        result = run_assessment(phantom.volume, client_for(phantom, rule=rule))
        assert {"area_uncertain", "area_rejected"} & codes(result) == ({expected} if expected else set())
        assert result.measurement.provenance.acceptance == rule


@pytest.mark.parametrize(
    ("ssim", "code", "verdict"),
    [(0.95, None, None), (0.75, "poor_quality", Verdict.REVIEW), (0.4, "unusable_quality", Verdict.REJECT)],
)
def test_a_degraded_slice_is_flagged_or_refused(phantom, ssim, code, verdict):
    client = client_for(phantom, quality=lambda _: (ssim, Degradation.STREAK))
    measurement = run_assessment(phantom.volume, client).measurement
    assert measurement.quality.predicted_ssim == pytest.approx(ssim)
    assert measurement.quality.degradation is Degradation.STREAK
    flags = [flag for flag in measurement.flags if flag.code.endswith("_quality")]
    assert [flag.code for flag in flags] == ([code] if code else [])
    assert all("streaks" in flag.text for flag in flags)
    assert verdict in (None, measurement.verdict)


def test_low_similarity_without_a_degradation_is_no_reason_to_look(phantom):
    client = client_for(phantom, quality=lambda _: (0.75, Degradation.NONE))
    assert not {"poor_quality", "unusable_quality"} & codes(run_assessment(phantom.volume, client))


def test_the_rated_slice_is_the_one_that_is_segmented(phantom):
    seen = {}

    def segment(hu_yx):
        seen.setdefault("segmented", hu_yx)
        return simple_compartments(hu_yx)

    def rate(hu_yx):
        seen["rated"] = hu_yx
        return 1.0, Degradation.NONE

    run_assessment(phantom.volume, client_for(phantom, compartments=segment, quality=rate))
    np.testing.assert_array_equal(seen["rated"], seen["segmented"])


def test_the_pattern_is_found_in_research_only_and_is_no_part_of_the_measurement(phantom):
    off = run_assessment(phantom.volume, client_for(phantom))
    on = run_assessment(phantom.volume, client_for(phantom, models=ModelSet(research=True)))
    assert off.pattern is None
    assert on.measurement == off.measurement
    assert 0 <= on.pattern.low_muscle_probability <= 1
    assert list(on.pattern.slice_indices) == sorted(on.pattern.slice_indices)
    assert on.measurement.slice_index in on.pattern.slice_indices
    assert sum(on.pattern.slice_attention) == pytest.approx(1)
    assert on.pattern.model.name == "sarcopenia_classifier"


def test_a_given_slice_is_measured_and_named(phantom):
    index = phantom.volume.geometry.nearest_slice(phantom.level_z_mm["L4"])
    result = run_assessment(phantom.volume, client_for(phantom), AssessmentOptions(slice_choice=index))
    assert result.measurement.slice_index == index
    assert result.measurement.level == "L4"
    assert result.measurement.provenance.level_rule is LevelRule.GIVEN_SLICE
    assert "level_given" in codes(result)


def test_a_slice_that_is_not_there_is_told_before_any_work(phantom):
    with pytest.raises(SliceNotFoundError):
        next(assess(phantom.volume, client_for(phantom), AssessmentOptions(slice_choice=10_000)))


def test_a_single_slice_needs_no_level(phantom):
    index = phantom.volume.geometry.nearest_slice(phantom.level_z_mm["L3"])
    volume = phantom.volume
    single = replace(
        volume,
        hu_zyx=volume.hu_zyx[index : index + 1],
        geometry=volume.geometry.crop_slices(index, index + 1),
        sop_instance_uids=volume.sop_instance_uids[index : index + 1],
    )
    result = run_assessment(single, client_for(phantom))
    assert result.measurement.provenance.level_rule is LevelRule.SINGLE_SLICE
    assert result.measurement.level is None
    assert result.measurement.slab_sma_cm2 is None
    assert result.level is None
    assert result.measurement.composition.sma_cm2 > 50


def test_a_scan_without_l3_is_a_finding_with_no_areas():
    chest = make_phantom(replace(SPEC, bottom_coordinate=13.4, top_coordinate=7.0))
    result = run_assessment(chest.volume, client_for(chest))
    assert result.measurement.verdict is Verdict.NO_L3
    assert result.measurement.composition is None
    assert result.arrays is None
    (flag,) = [flag for flag in result.measurement.flags if flag.code == "no_l3"]
    assert "T" in flag.text
    assert flag.severity is Severity.BLOCK


def test_six_lumbar_vertebrae_are_ambiguous():
    six = make_phantom(replace(SPEC, lumbar_count=6, bottom_coordinate=20.5))
    script = known_spine(six.volume.geometry.slice_z_mm, six.vertebral_coordinate_z)

    def with_sacrum(hu_czw):
        profile = script(hu_czw)
        return replace(profile, sacrum_z=(profile.coordinate_z > 18.5).astype(np.float32))

    result = run_assessment(six.volume, FakeModelClient(spine=with_sacrum))
    assert result.measurement.verdict is Verdict.AMBIGUOUS_LEVEL
    assert len(result.level.candidates) == 2
    assert len(result.level.candidate_sma_cm2) == 2
    assert result.level.candidate_sma_cm2[0] == pytest.approx(result.measurement.composition.sma_cm2)
    assert result.level.lumbar_count == 6


def test_values_that_are_not_hounsfield_units_are_rejected(phantom):
    header = replace(phantom.volume.header, hu_calibrated=False)
    result = run_assessment(replace(phantom.volume, header=header), client_for(phantom))
    assert result.measurement.verdict is Verdict.REJECT
    assert "not_hu" in codes(result)


def test_a_child_and_thick_slices_are_flagged(phantom):
    header = replace(phantom.volume.header, age_years=12.0, slice_thickness_mm=8.0)
    result = run_assessment(replace(phantom.volume, header=header), client_for(phantom))
    assert {"under_18", "thick_slices"} <= codes(result)
    assert result.measurement.verdict is Verdict.REVIEW


def test_a_cut_field_of_view_is_flagged():
    cut = make_phantom(replace(SPEC, shape_yx=(112, 72)))
    result = run_assessment(cut.volume, client_for(cut))
    assert "muscle_cut" in codes(result)
    assert result.measurement.verdict is Verdict.REJECT


def test_a_server_that_is_down_is_an_inference_error(phantom):
    with pytest.raises(ServerUnavailableError):
        run_assessment(phantom.volume, client_for(phantom, failure=ServerUnavailableError("down")))


def test_a_reversed_or_mirrored_series_gives_the_same_area(phantom):
    """Storage order is undone by the reader; mirrored columns are undone by the geometry."""
    volume = phantom.volume
    columns = volume.geometry.shape_zyx[2]
    step = np.array([volume.geometry.spacing_mm_zyx[2] * (columns - 1), 0, 0])
    origins = tuple(tuple(np.array(o) + step) for o in volume.geometry.slice_origins_lps_mm)
    geometry = replace(volume.geometry, slice_origins_lps_mm=origins, row_direction_lps=(-1.0, 0.0, 0.0))
    mirrored = replace(volume, hu_zyx=volume.hu_zyx[:, :, ::-1], geometry=geometry)
    straight = run_assessment(volume, client_for(phantom)).measurement
    found = run_assessment(mirrored, client_for(phantom)).measurement
    assert found.slice_index == straight.slice_index
    assert found.composition.sma_cm2 == pytest.approx(straight.composition.sma_cm2, rel=0.02)
