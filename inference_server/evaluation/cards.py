"""Model cards: what a model is for, what it was trained on, and the figures measured by the code beside this module."""

import json
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Final

from inference_server.evaluation.agreement import MuscleAgreement
from inference_server.evaluation.levels import LevelError, level_error
from inference_server.evaluation.local_models import LocalModelClient
from inference_server.evaluation.test_split import (
    TestLevel,
    TestSlice,
    annotated_level,
    evaluate_levels,
    evaluate_slices,
)
from inference_server.training.splits import COMPARTMENT_FOLDS, SPINE_FOLDS
from inference_server.training.train_compartments import out_of_fold_agreement
from inference_server.training.train_spine import held_out_profiles
from sarcopenia.inference.contract import BODY_COMPARTMENTS_CONTRACT, SPINE_LEVEL_CONTRACT

MEASURED_LEVELS: Final = ("L2", "L3", "L4")
TEST_LEVEL_NAMES: Final = ("juno0", "juno1")

NOTICE: Final = "Research use only – not a medical device.\n"
DATA: Final = """## Data and licences

| name | collection | licence |
|---|---|---|
| arreaza | TCIA ACRIN-FLT-Breast, subject 001 (10.7937/K9/TCIA.2017.ol20zmxg) | CC BY 3.0 |
| tcga0 | TCIA TCGA-THCA, TCGA-DE-A4MA (10.7937/K9/TCIA.2016.9ZFRVF1B) | CC BY 3.0 |
| cort0 | CORT liver case (Craft 2014, 10.1186/2047-217X-3-37) as distributed with matRad | open data set |
| sarcoma0 | TCIA CPTAC-PDA, C3L-00189 | CC BY 3.0 |
| luad47, luad16 (train), luad12, luad94 (test) | TCIA TCGA-LUAD, TCGA-LUSC | CC BY 3.0 |
| lidc0 | TCIA LIDC-IDRI-0314 | CC BY 3.0 |
| cmb0 | TCIA CMB-CRC, MSB-01068 | CC BY 4.0 |
| tsex0 | TotalSegmentator test scan | Apache-2.0 |
| sagittal reformats (A0…) | TCIA COVID-19-NY-SBU (10.7937/TCIA.BBAG-2923) | CC BY 4.0 |
| juno0, juno1 (test only) | OHIF viewer test data | MIT (repository); origin of the scan not stated |
| gold0 (test only) | SlicerSandbox ImportSliceOmatic sample, UMC Utrecht | BSD-2-Clause (repository) |

The compartments were drawn as polygons by people who are not clinicians; moving the whole wall by one pixel changes the
SMA by 3–6 %, so differences below 3 % are within reading. `gold0` carries a clinician's own mask.
"""


def write_cards(data: Path, runs: Path, repository: Path) -> None:
    """Evaluate the published models and write ``card.md`` and ``figures.json`` of each."""
    models = LocalModelClient(repository)
    identities = {identity.name: identity.onnx_sha256 for identity in models.identities()}
    held_out = [
        (annotated_level(data, found.name, found.slice_index), found)
        for fold in range(len(COMPARTMENT_FOLDS))
        for found in out_of_fold_agreement(data, fold, runs / "compartments" / f"fold{fold}" / "weights.pt")
    ]
    slices = evaluate_slices(data, models)
    name = BODY_COMPARTMENTS_CONTRACT.name
    _write(repository / name, compartments_card(identities[name], held_out, slices), [asdict(s) for s in slices])
    levels = evaluate_levels(data, models, TEST_LEVEL_NAMES)
    name = SPINE_LEVEL_CONTRACT.name
    _write(
        repository / name,
        spine_card(identities[name], held_out_levels(data, runs), levels),
        [asdict(t) for t in levels],
    )


def _write(folder: Path, card: str, figures: list[dict[str, object]]) -> None:
    (folder / "card.md").write_text(card, encoding="utf-8")
    (folder / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def held_out_levels(data: Path, runs: Path) -> list[LevelError]:
    """Level errors of the folds that were trained with patients held out."""
    errors = []
    for fold in range(len(SPINE_FOLDS)):
        weights = runs / "spine" / f"fold{fold}" / "weights.pt"
        if weights.exists():
            errors += [level_error(example, profile) for example, profile in held_out_profiles(data, fold, weights)]
    return errors


def summary(agreements: list[MuscleAgreement]) -> str:
    """n, median and worst Dice, median and worst absolute SMA error, mean signed error."""
    dice = [a.dice for a in agreements]
    errors = [a.sma_error_percent for a in agreements]
    return (
        f"n = {len(dice)} slices; muscle Dice median {median(dice):.3f}, worst {min(dice):.3f}; SMA error median "
        f"{median(abs(e) for e in errors):.1f} %, worst {max(abs(e) for e in errors):.1f} %, "
        f"mean signed {sum(errors) / len(errors):+.1f} %."
    )


def _agreement_rows(rows: list[tuple[str, MuscleAgreement, str]]) -> str:
    head = (
        "| scan | slice | level | Dice | reference SMA, cm² | SMA error, % | flags |\n|---|---|---|---|---|---|---|\n"
    )
    lines = (
        f"| {a.name} | {a.slice_index} | {level or '–'} | {a.dice:.3f} | {a.reference_sma_cm2:.1f} "
        f"| {a.sma_error_percent:+.1f} | {flags} |"
        for level, a, flags in rows
    )
    return head + "\n".join(lines) + "\n"


def compartments_card(sha256: str, held_out: list[tuple[str, MuscleAgreement]], slices: list[TestSlice]) -> str:
    """Card of `body_compartments`."""
    test_rows = [(s.level, s.agreement, ", ".join(s.flags)) for s in slices]
    measured = [a for level, a, _ in test_rows if level in (*MEASURED_LEVELS, "")]
    measured_held_out = [a for level, a in held_out if level in (*MEASURED_LEVELS, "")]
    return f"""# body_compartments, version {BODY_COMPARTMENTS_CONTRACT.version}

{NOTICE}
SHA-256 of the ONNX file: `{sha256}`

Finds outside, subcutaneous layer, muscle wall, visceral cavity and spine/bone on one axial CT slice. Muscle, SAT, VAT
and IMAT are these compartments ∩ HU ranges on the native pixels. Made for adults at L2–L4; other levels are untested.

Three members (U-Net of 1.2 million weights on 2×2 pixel blocks), each trained without the patients of one fold, and
their mirror images: six answers in one call. Their spread is the uncertainty of the SMA. Trained on the hand-drawn and
interpolated slices of six people with strong changes of habitus, contrast, scanner, noise, fat infiltration, missing
visceral fat, arms beside the body and cut fields of view. `python -m inference_server` is the whole recipe; the members
of folds 0 and 1 were trained in two runs (3000 steps without, then 700 steps with the change "no visceral fat", which
raised the out-of-fold Dice of a very thin patient from 0.79–0.93 to 0.87–0.95), fold 2 in one of 2400 steps. No phantom
was used for this model.

## Figures

Visible test split, L2–L4 (`gold0` against the clinician's mask), by the product's own pipeline with the slice given,
run once for this version. Seven of these slices are one man (juno0, juno1).

{summary(measured)}

{_agreement_rows(test_rows)}
Out-of-fold on the training patients, L2–L4, each slice by the one member that never saw the patient (with its mirror):

{summary(measured_held_out)}

{_agreement_rows([(level, a, "") for level, a in held_out])}
{DATA}
## Limits

Few people, and none with ascites, large hernias, stomas, amputation or metal at the level; children, pregnancy and
levels outside L2–L4 are not covered. Muscle that the field of view cuts is flagged, not completed.
"""


def _mm(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def spine_card(sha256: str, held_out: list[LevelError], levels: list[TestLevel]) -> str:
    """Card of `spine_level`."""
    test = "\n".join(f"| {t.name} | {'not found' if t.error_mm is None else f'{t.error_mm:+.1f}'} |" for t in levels)
    folds = "\n".join(
        f"| {e.name} | {'yes' if e.has_l3 else 'no'} | {'yes' if e.found_l3 else 'no'} "
        f"| {_mm(e.error_mm, '+.1f')} | {_mm(e.spread_mm, '.1f')} |"
        for e in held_out
    )
    return f"""# spine_level, version {SPINE_LEVEL_CONTRACT.version}

{NOTICE}
SHA-256 of the ONNX file: `{sha256}`

Reads a sagittal slab and a coronal projection along the spine and gives, for every row of 2.5 mm, the vertebral
coordinate (L3 = 15 at mid-body) with its spread, and whether a spine, a rib and the sacrum are there. The level, "L3 is
not in this scan" and an ambiguous count all follow from it.

Trained on the spines of ten people (five volumes, eight sagittal reformats of five), two chest scans without L3, and
phantoms with four to six lumbar vertebrae, scoliosis, stub ribs and crops of every kind, half and half.

## Figures

Visible test split (one man, two scans), error of mid-L3 in mm, positive to the head:

| scan | error, mm |
|---|---|
{test}

People held out (fold 0 only; a shorter training without them, stopped after 750 of 1200 steps), error of mid-L3:

| scan | L3 annotated | L3 found | error, mm | own spread, mm |
|---|---|---|---|---|
{folds}

{DATA}
## Limits

Few people. Transitional vertebrae are flagged from the count between last rib and sacrum, which was trained on
phantoms only. Prone and decubitus scans are turned by their geometry but untested on people.
"""
