"""The two-page report as a PDF: what a person is to read is given in words, this module only sets it.

Page one holds the person, the review, the sentence, the slice and the numbers; page two the course over time, the
evidence and where everything comes from. Both pages carry "research use only", the review and the report's number in
their foot, so that a page that is copied alone still says them.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    Image,
    KeepInFrame,
    PageBreak,
    PageTemplate,
    Spacer,
    Table,
    TableStyle,
)

from sarcopenia.exchange.pdf_text import BODY, HEADING, SMALL, STRONG, TITLE, paragraph, plain, register_fonts
from sarcopenia.exchange.pdf_trend import ReportTrend, trend_drawing

MARGIN = 16 * mm
FOOT = 16 * mm
PICTURE_WIDTH = 82 * mm
PICTURE_HEIGHT = 78 * mm
RULE = colors.HexColor("#9AA5B1")
SHADE = colors.HexColor("#EEF1F4")


@dataclass(frozen=True)
class ReportTable:
    """A table: title, names of its columns, and rows of as many words; ``note`` stands below it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class ReportPicture:
    """A picture (PNG) with the words below it."""

    png: bytes
    caption: str


@dataclass(frozen=True)
class ReportContent:
    """Everything that a report says, in the order of its pages.

    Attributes
    ----------
    number: the report's number in the records. made: when and by whom, in words.
    person: rows of (what, value) about patient, operation and scan.
    review: who reviewed it, or that nobody did. sentence: the finding. statement: what it is not.
    figures: the numbers; comparisons: the cut-off profiles; notes: flags and confounders, one a line.
    trend: course over time, ``None`` with a single scan.
    evidence: published studies of the operation; ``None`` where no operation is named.
    """

    number: str
    made: str
    person: tuple[tuple[str, str], ...]
    review: str
    sentence: str
    statement: str
    picture: ReportPicture | None
    figures: ReportTable
    notes: tuple[str, ...]
    comparisons: ReportTable
    trend: ReportTrend | None
    evidence: ReportTable | None
    provenance: ReportTable
    title: str = "Muscle at L3 on CT"
    research_use: str = "Research use only – not a medical device"


def pdf_report(content: ReportContent) -> bytes:
    """Set a report on two pages of A4; what is long is set smaller, never cut off.

    The text is text (it can be searched and copied), the title and the language are in the file's properties.
    """
    register_fonts()
    width, height = A4[0] - 2 * MARGIN, A4[1] - 2 * MARGIN - FOOT
    buffer = io.BytesIO()
    document = BaseDocTemplate(
        buffer,
        pagesize=A4,
        title=f"{content.title}, report {content.number}",
        author="Sarcopenia Dashboard",
        subject=content.research_use,
        lang="en",
    )
    frame = Frame(MARGIN, MARGIN + FOOT, width, height, leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0)
    document.addPageTemplates(PageTemplate(frames=[frame], onPage=_foot(content)))
    pages = [_first_page(content, width), _second_page(content, width)]
    fitted = [KeepInFrame(width, height - 1, page, mode="shrink") for page in pages]
    document.build([fitted[0], PageBreak(), fitted[1]])
    return buffer.getvalue()


def _foot(content: ReportContent) -> Callable[[Canvas, BaseDocTemplate], None]:
    def draw(canvas: Canvas, document: BaseDocTemplate) -> None:
        canvas.setStrokeColor(RULE)
        canvas.line(MARGIN, MARGIN + FOOT - 4, A4[0] - MARGIN, MARGIN + FOOT - 4)
        lines = (
            f"{content.research_use}. {content.review}.",
            f"Report {content.number} · {content.made} · page {document.page} of 2",
        )
        top = MARGIN + FOOT - 6
        for line in lines:
            words = paragraph(line, SMALL)
            top -= words.wrap(A4[0] - 2 * MARGIN, FOOT)[1]
            words.drawOn(canvas, MARGIN, top)

    return draw


def _first_page(content: ReportContent, width: float) -> list[Flowable]:
    numbers = _table(content.figures, width - PICTURE_WIDTH - 6 * mm)
    beside: list[Flowable] = [] if content.picture is None else _picture(content.picture)
    parts: list[Flowable] = [
        paragraph(content.title, TITLE),
        _pairs(content.person, width),
        Spacer(1, 3 * mm),
        paragraph(content.review, STRONG),
        paragraph(content.sentence, HEADING),
        paragraph(content.statement, BODY),
        Spacer(1, 3 * mm),
        Table(
            [[beside, numbers]],
            colWidths=[PICTURE_WIDTH + 6 * mm, width - PICTURE_WIDTH - 6 * mm],
            style=TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]),
            hAlign="LEFT",
        ),
    ]
    parts += [paragraph(f"• {note}", BODY) for note in content.notes]
    return [*parts, *_table(content.comparisons, width)]


def _second_page(content: ReportContent, width: float) -> list[Flowable]:
    parts: list[Flowable] = [paragraph("Course over time", HEADING)]
    if content.trend is None:
        parts.append(paragraph("There is no earlier scan to compare with.", BODY))
    else:
        parts += [trend_drawing(content.trend, width), paragraph(content.trend.words, BODY)]
    if content.evidence is not None:
        parts += _table(content.evidence, width)
    return [*parts, *_table(content.provenance, width), Spacer(1, 2 * mm), paragraph(content.statement, BODY)]


def _picture(picture: ReportPicture) -> list[Flowable]:
    image = Image(io.BytesIO(picture.png))
    scale = min(PICTURE_WIDTH / image.imageWidth, PICTURE_HEIGHT / image.imageHeight)
    image.drawWidth, image.drawHeight = scale * image.imageWidth, scale * image.imageHeight
    return [image, paragraph(picture.caption, SMALL)]


def _pairs(pairs: Sequence[tuple[str, str]], width: float) -> Table:
    """Two pairs of name and value a line."""
    cells = [[paragraph(name, SMALL), paragraph(value, STRONG)] for name, value in pairs]
    if len(cells) % 2:
        cells.append([paragraph("", SMALL), paragraph("", BODY)])
    rows = [left + right for left, right in zip(cells[::2], cells[1::2], strict=True)]
    style = TableStyle([("BACKGROUND", (0, 0), (-1, -1), SHADE), ("VALIGN", (0, 0), (-1, -1), "TOP")])
    return Table(rows, colWidths=[width * share for share in (0.1, 0.4, 0.1, 0.4)], style=style, hAlign="LEFT")


def _table(table: ReportTable, width: float) -> list[Flowable]:
    """Title, table and note; columns as wide as their longest words ask for."""
    if not table.rows:
        return []
    cells = [[paragraph(column, SMALL) for column in table.columns]]
    cells += [[paragraph(cell, SMALL) for cell in row] for row in table.rows]
    style = TableStyle(
        [
            ("BACKGROUND", (0, 0), (-1, 0), SHADE),
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("TOPPADDING", (0, 0), (-1, -1), 1),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
        ]
    )
    set_table = Table(cells, colWidths=_column_widths(table, width), style=style, repeatRows=1, hAlign="LEFT")
    note = [paragraph(table.note, SMALL)] if table.note else []
    return [paragraph(table.title, HEADING), set_table, *note]


def _column_widths(table: ReportTable, width: float) -> list[float]:
    """No word is broken where the width allows it; what is left goes to the columns with long texts."""
    columns = [tuple(dict.fromkeys(cells)) for cells in zip(table.columns, *table.rows, strict=True)]
    least = [max(_text_width(word) for cell in cells for word in cell.split() or [""]) for cells in columns]
    wanted = [max(_text_width(cell) for cell in cells) for cells in columns]
    if sum(least) >= width:
        return [width * each / sum(least) for each in least]
    lacking = [max(full - narrow, 0.0) for full, narrow in zip(wanted, least, strict=True)]
    share = (width - sum(least)) / (sum(lacking) or 1.0)
    if share >= 1 or not sum(lacking):  # every cell fits on one line: the columns keep their proportions
        return [width * each / sum(wanted) for each in wanted]
    return [narrow + share * extra for narrow, extra in zip(least, lacking, strict=True)]


def _text_width(text: str) -> float:
    """Width of a cell with these words on one line, with its padding."""
    return float(stringWidth(plain(text), SMALL.fontName, SMALL.fontSize)) + 13
