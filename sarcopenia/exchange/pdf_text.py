"""Letters of the PDF: a font that has Latin, Greek and Cyrillic letters and the signs of measurements, and its styles.

A PDF brings its own letters, and the machine may have none: Open Sans comes as a Python package. Chinese, Japanese and
Korean names use the fonts that PDF viewers have by agreement.
"""

import re
from functools import cache
from typing import Final
from xml.sax.saxutils import escape

import ttf_opensans
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Paragraph

REGULAR: Final = "OpenSans"
BOLD: Final = "OpenSans-Bold"
HAN: Final = "STSong-Light"
HANGUL: Final = "HYSMyeongJo-Medium"
_HAN_LETTERS: Final = re.compile(r"[\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
_HANGUL_LETTERS: Final = re.compile(r"[\u1100-\u11ff\uac00-\ud7af]+")
_RUNS: Final = re.compile(f"({_HAN_LETTERS.pattern}|{_HANGUL_LETTERS.pattern})")


TITLE: Final = ParagraphStyle("title", fontName=BOLD, fontSize=15, leading=19)
HEADING: Final = ParagraphStyle("heading", fontName=BOLD, fontSize=10.5, leading=14, spaceBefore=6, spaceAfter=2)
STRONG: Final = ParagraphStyle("strong", fontName=BOLD, fontSize=9, leading=12)
BODY: Final = ParagraphStyle("body", fontName=REGULAR, fontSize=9, leading=12)
SMALL: Final = ParagraphStyle("small", fontName=REGULAR, fontSize=7.5, leading=9.5)


@cache
def register_fonts() -> TTFont:
    """Make the fonts known to the PDF library, once; returns the regular one."""
    regular = TTFont(REGULAR, str(ttf_opensans.OPENSANS_REGULAR.path))
    for font in (
        regular,
        TTFont(BOLD, str(ttf_opensans.OPENSANS_BOLD.path)),
        UnicodeCIDFont(HAN),
        UnicodeCIDFont(HANGUL),
    ):
        pdfmetrics.registerFont(font)
    return regular


def plain(text: str) -> str:
    """The text with "?" for each letter that Open Sans lacks, so that nobody takes a gap for the whole word."""
    letters = register_fonts().face.charToGlyph
    return "".join(letter if ord(letter) in letters or letter.isspace() else "?" for letter in text)


def paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    """Words as a paragraph, every letter in a font that has it."""
    return Paragraph("".join(_markup(run) for run in _RUNS.split(text) if run), style)


def _markup(run: str) -> str:
    font = HANGUL if _HANGUL_LETTERS.match(run) else HAN if _HAN_LETTERS.match(run) else ""
    return f'<font name="{font}">{escape(run)}</font>' if font else escape(plain(run))
