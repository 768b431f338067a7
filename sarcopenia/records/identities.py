"""Who is the patient of a scan? Rules on (issuer, Patient ID, name, birth date, sex), and the rows that hold them.

* A blank or placeholder Patient ID names nobody: the scan gets a provisional patient of its own.
* The same (issuer, Patient ID) without a contradiction is the same patient. What one side does not say contradicts
  nothing.
* The same (issuer, Patient ID) with another birth date, sex or name is a question for a person; the answer is kept
  with the job. After "different person" two patients share the id, and a scan that fits both is asked about too.

Patient ID (0010,0020) is unique within its Issuer (0010,0021) only: DICOM PS3.3 C.7.1.1.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from sarcopenia.domain.volume import SeriesHeader, Sex
from sarcopenia.records.patient_groups import resolve, root_id
from sarcopenia.records.schema import IdentityRow, PatientRow
from sarcopenia.records.store import Store
from sarcopenia.records.views import IdentityDecision, IdentityFacts, IdentityQuestion

_PLACEHOLDER_IDS: Final = frozenset(
    {
        "ANON",
        "ANONYM",
        "ANONYME",
        "ANONYMIZED",
        "ANONYMISED",
        "ANONYMOUS",
        "DEFAULT",
        "EMPTY",
        "NA",
        "NAME",
        "NOID",
        "NONAME",
        "NONE",
        "NOTAVAILABLE",
        "NULL",
        "PATIENT",
        "PATIENTID",
        "REMOVED",
        "TEMP",
        "TEST",
        "UNBEKANNT",
        "UNKNOWN",
        "UNNAMED",
    }
)
_FILLERS: Final = re.compile(r"0*|X*")
"""Ids of zeros or X alone, after everything but letters and digits is gone; also the empty one."""


def is_placeholder(dicom_patient_id: str) -> bool:
    """Whether a Patient ID names nobody: blank, zeros, X, "ANONYMOUS", "UNKNOWN", "No name" and the like."""
    letters = re.sub(r"[\W_]", "", dicom_patient_id).upper()
    return letters in _PLACEHOLDER_IDS or _FILLERS.fullmatch(letters) is not None


def facts_of(header: SeriesHeader) -> IdentityFacts:
    """Identity as a series states it, without the padding that DICOM allows."""
    patient = header.patient
    issuer, dicom_patient_id, name = (_clean(text) for text in (patient.issuer, patient.patient_id, patient.name))
    return IdentityFacts(issuer, dicom_patient_id, name, patient.birth_date, header.sex)


def contradictions(known: IdentityFacts, incoming: IdentityFacts) -> tuple[str, ...]:
    """Names of the facts on which both sides speak and differ: "name", "birth date", "sex"."""
    pairs = (
        ("name", _plain_name(known.name), _plain_name(incoming.name)),
        ("birth date", known.birth_date, incoming.birth_date),
        ("sex", known.sex, incoming.sex),
    )
    return tuple(what for what, one, other in pairs if one and other and one != other)


def find_or_create_patient(
    store: Store, session: Session, incoming: IdentityFacts, decision: IdentityDecision
) -> int | IdentityQuestion:
    """Id of the patient with these facts, made if new, or the question that a person must answer first.

    Part of the caller's transaction.
    """
    if decision.accepted_patient_id is not None:
        return _remember(store, session, resolve(session, decision.accepted_patient_id), incoming)
    if is_placeholder(incoming.dicom_patient_id):
        return create_patient(store, session, incoming)
    refused = {resolve(session, patient_id) for patient_id in decision.refused_patient_ids}
    known = [(patient_id, facts) for patient_id, facts in _namesakes(session, incoming) if patient_id not in refused]
    fitting = {patient_id for patient_id, facts in known if not contradictions(facts, incoming)}
    if len(fitting) == 1:
        return _remember(store, session, fitting.pop(), incoming)
    if known:
        return _question([k for k in known if k[0] in fitting] or known, incoming)
    return create_patient(store, session, incoming)


def create_patient(store: Store, session: Session, facts: IdentityFacts) -> int:
    """Make a patient with these facts, provisional when they name nobody; part of the caller's transaction."""
    patient = PatientRow(provisional=is_placeholder(facts.dicom_patient_id), created_at=store.now())
    session.add(patient)
    session.flush()
    return _remember(store, session, patient.id, facts)


def facts_from_row(row: IdentityRow) -> IdentityFacts:
    """Facts of one stored identity."""
    return IdentityFacts(row.issuer, row.dicom_patient_id, row.name, row.birth_date, Sex(row.sex))


def identity_row(patient_id: int, facts: IdentityFacts, store: Store) -> IdentityRow:
    """Row that gives a patient one more identity."""
    return IdentityRow(
        patient_id=patient_id,
        issuer=facts.issuer,
        dicom_patient_id=facts.dicom_patient_id,
        name=facts.name,
        birth_date=facts.birth_date,
        sex=facts.sex,
        recorded_at=store.now(),
    )


def _namesakes(session: Session, incoming: IdentityFacts) -> Sequence[tuple[int, IdentityFacts]]:
    """(kept patient, facts) of all identities with the same issuer and Patient ID, the newest first."""
    query = (
        select(root_id(), IdentityRow)
        .join(PatientRow, PatientRow.id == IdentityRow.patient_id)
        .where(IdentityRow.issuer == incoming.issuer, IdentityRow.dicom_patient_id == incoming.dicom_patient_id)
        .order_by(IdentityRow.id.desc())
    )
    return [(patient_id, facts_from_row(row)) for patient_id, row in session.execute(query)]


def _remember(store: Store, session: Session, patient_id: int, facts: IdentityFacts) -> int:
    """Keep how the patient was named this time, unless known; the id of the patient is passed through."""
    rows = session.scalars(select(IdentityRow).where(IdentityRow.patient_id == patient_id))
    if facts not in [facts_from_row(row) for row in rows]:
        session.add(identity_row(patient_id, facts, store))
        session.flush()
    return patient_id


def _question(known: Sequence[tuple[int, IdentityFacts]], incoming: IdentityFacts) -> IdentityQuestion:
    patient_id, facts = known[0]
    differing = contradictions(facts, incoming)
    if differing:
        text = f"Patient ID {incoming.dicom_patient_id} is known, but with another {' and '.join(differing)}."
    else:
        text = (
            f"Patient ID {incoming.dicom_patient_id} is shared by several patients, and this scan fits more than one."
        )
    return IdentityQuestion(patient_id, facts, incoming, text)


def _clean(text: str) -> str:
    return text.replace("\x00", "").strip()


def _plain_name(name: str) -> str:
    """Name for comparison: MÜLLER^Hans, "Muller, Hans " and muller^hans are one."""
    letters = unicodedata.normalize("NFKD", name.split("=", maxsplit=1)[0])
    kept = "".join(c for c in letters if not unicodedata.combining(c))
    return " ".join(re.split(r"[\s^,]+", kept.casefold())).strip()
