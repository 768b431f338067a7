"""Contrast phase as the header tells it, in several languages: a guess from free text, never from pixels."""

import re
from collections.abc import Iterable
from typing import Final

from sarcopenia.domain.volume import ContrastPhase

# Plain scans first: "ohne KM", "sans injection" contain the words of enhanced scans.
_PHASE_WORDS: Final = (
    (
        ContrastPhase.NONE,
        r"\bnativ\w*|\bohne (km|kontrast\w*|i\.?v\.?)|\bnon[- _]?(contrast|enhanced)|\bunenhanced|\bplain\b|\bw/?o\b|"
        r"\bwithout (iv |i\.v\. )?contrast|\bno (iv |i\.v\. )?contrast|\bsans (injection|iv|contraste|pdc)|"
        r"\bs/?c\b|\bsin (civ|contraste)|\bzonder contrast|\bblanco\b|\bnect\b|\bncct\b",
    ),
    (
        ContrastPhase.LATE,
        r"\bdelay\w*|\blate\b|\bspät\w*|\bspaet\w*|\btardi\w*|\bexcr[eé]t\w*|\burogra\w*|\bausscheid\w*|\blaat\b|"
        r"\bexcretor\w*|\bequilib\w*|\b(5|7|10|15) ?min\b",
    ),
    (
        ContrastPhase.PORTAL_VENOUS,
        r"\bporta(l\w*|le)?\b|\bporto\w*|\bv[eé]n([aeoö]|ous|ös|osa|oso|eux|euse|eus|oes\w*|oos)?\b|"
        r"\bpv(p|ph)?\b|\b(60|65|70|75|80|90) ?s(ec)?\b",
    ),
    (ContrastPhase.ARTERIAL, r"\bart\b|\barter\w*|\bangio\w*|\bcta\b|\b(20|25|30|35|40) ?s(ec)?\b"),
)
_ENHANCED_WORDS: Final = re.compile(
    r"\bmit km\b|\bkm\b|\bkontrast\w*|\bpost ?contrast|\b(with|\+) ?(iv )?c(ontrast)?\b|\bw/? ?(iv|contrast)|\bcect\b|"
    r"\binject[eé]\w*|\bcon (civ|contraste)|\bmet contrast|\bavec (iv|injection|contraste|pdc)|\+ ?c\b",
)

_BOTH_WORDS: Final = re.compile(
    r"\bw(ith)? ?(/|&|\+|and)? ?w/?o\b|\bw/?o ?(/|&|\+|and) ?w\b|\bwith(out)? ?(/|&|\+|and) ?with(out)?\b|"
    r"\b(ohne|mit) ?(/|&|\+|und) ?(ohne|mit)\b|\b(sans|avec) ?(/|&|\+|et) ?(sans|avec)\b"
)
"""Names of whole protocols: with and without contrast. They say nothing on one of their series."""
_LATE_ARTERIAL: Final = re.compile(r"\b(late|spät|spaet) ?(?=art)|tardi(ve|va) ?(?=art)")


def guess_contrast_phase(texts: Iterable[str], agent: str = "") -> ContrastPhase:
    """Phase from descriptions (series, protocol, study) in English, German, French, Spanish or Dutch.

    ``agent`` is Contrast/Bolus Agent (0018,0010): an agent without a word on the phase means enhanced, phase
    unknown. The first text that names a phase decides; a text that names two phases names none.
    "With and without" names a protocol of both: it decides nothing.
    """
    for text in (_LATE_ARTERIAL.sub("", t.lower().replace("_", " ")) for t in texts):
        if _BOTH_WORDS.search(text):
            continue
        phases = [phase for phase, words in _PHASE_WORDS if re.search(words, text)]
        if phases and (phases[0] is ContrastPhase.NONE or len(phases) == 1):
            return phases[0]
        if phases or _ENHANCED_WORDS.search(text):
            return ContrastPhase.CONTRAST_UNKNOWN_PHASE
    return ContrastPhase.CONTRAST_UNKNOWN_PHASE if _names_agent(agent) else ContrastPhase.UNKNOWN


def _names_agent(agent: str) -> bool:
    """Whether the field names an intravenous agent; scanners also write NONE, ORAL or 0 into it."""
    words = agent.strip().lower()
    return bool(words) and not re.fullmatch(r"none|no|0|n/?a|nil|without|ohne|oral( only)?|po|water", words)
