"""Model cards: `figures.json` for machines and `card.md` for people, both from the same content.

The figures are those of docs/evidence; figures of the test split are quoted from its log, by the hash of the weights.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from inference_server.evaluation.card_texts import CardText, card_texts
from inference_server.evaluation.headlines import read_figures
from inference_server.evaluation.markdown import table
from inference_server.evaluation.test_log import COLUMNS, SplitRun, read_log

NOTICE: Final = "Research use only – not a medical device."
TEST_LOG: Final = "test_runs.csv"
EVIDENCE: Final = "docs/evidence"
PARAMETER: Final = re.compile(r'key:\s*"(\w+)"\s*value:?\s*\{\s*string_value:\s*"([^"]*)"')


@dataclass(frozen=True)
class Card:
    """Content of one card.

    Attributes
    ----------
    parameters: of config.pbtxt: precision, and the limits that travel with the weights. validation: out-of-fold figures
        by page of the evidence. test: the last line of the log for these weights, ``None`` if there is none.
    """

    text: CardText
    version: str
    onnx_sha256: str
    parameters: dict[str, str]
    validation: dict[str, Any]
    test: dict[str, str] | None


def write_cards(repository: Path, evidence: Path) -> None:
    """Write ``figures.json`` and ``card.md`` of every model that stands in the repository with its weights."""
    for text in card_texts().cards:
        card = read_card(text, repository, evidence)
        if card is not None:
            folder = repository / text.model
            content = json.dumps(machine_readable(card), indent=1, ensure_ascii=False)
            (folder / "figures.json").write_text(content + "\n", encoding="utf-8")
            (folder / "card.md").write_text(card_page(card), encoding="utf-8")


def read_card(text: CardText, repository: Path, evidence: Path) -> Card | None:
    """The card of a published model; ``None`` when it has no weights in the repository."""
    files = sorted((repository / text.model).glob("*/model.onnx"), key=lambda path: int(path.parent.name))
    if not files:
        return None
    digest = hashlib.sha256(files[-1].read_bytes()).hexdigest()
    config = (repository / text.model / "config.pbtxt").read_text(encoding="utf-8")
    found = read_figures(evidence)
    validation = {page: found[page][text.model] for page in found if text.model in (found[page] or {})}
    tested = [run for run in read_log(evidence / TEST_LOG) if digest in run.onnx_sha256.split()]
    test = quoted(tested[-1], text.model) if tested else None
    return Card(text, files[-1].parent.name, digest, dict(PARAMETER.findall(config)), validation, test)


def quoted(run: SplitRun, model: str) -> dict[str, str]:
    """What a line of the log says about one model."""
    own = ("level_errors_mm",) if model == "spine_level" else COLUMNS[4:10] + COLUMNS[11:]
    return {column: getattr(run, column) for column in ("date", *own)}


def machine_readable(card: Card) -> dict[str, Any]:
    """The content of ``figures.json``."""
    return {
        "model": card.text.model,
        "version": card.version,
        "onnx_sha256": card.onnx_sha256,
        "notice": NOTICE,
        "intended_use": card.text.intended_use,
        "training": card.text.training,
        "limits": list(card.text.limits),
        "data": [asdict(source) for source in card_texts().sources],
        "parameters": {key: value for key, value in card.parameters.items() if key != "onnx_sha256"},
        "figures": {"validation_out_of_fold": card.validation, "test_split": card.test},
        "evidence": [f"{EVIDENCE}/{page}.md" for page in card.text.evidence],
    }


def card_page(card: Card) -> str:
    """The content of ``card.md``."""
    parameters = {key: value for key, value in card.parameters.items() if key != "onnx_sha256"}
    limits = "".join(f"- {limit}\n" for limit in card.text.limits)
    links = ", ".join(f"[{page}](../../{EVIDENCE}/{page}.md)" for page in card.text.evidence)
    sources = ((", ".join(s.names), s.collection, s.licence, s.use) for s in card_texts().sources)
    return f"""# {card.text.model}, version {card.version}

{NOTICE}

SHA-256 of the ONNX file: `{card.onnx_sha256}`

## Intended use

{card.text.intended_use}

## Training

{card.text.training}

## Parameters that travel with the weights

{table(("parameter", "value"), parameters.items())}## Figures

Tables, plots and what the figures mean: {links}. Machine-readable: `figures.json`.

{_figures(card)}## Data and licences

{table(("scans", "collection", "licence", "use"), sources)}{card_texts().labels}

## Limits

{limits}"""


def _figures(card: Card) -> str:
    text = "Out-of-fold, which is also the validation that everything was chosen on:\n\n"
    rows = [row for page, figures in card.validation.items() for row in _rows(page, figures)]
    text += table(("page", "figure", "value"), rows) if rows else "Not measured for these weights.\n\n"
    text += "Visible test split, as logged for these weights:\n\n"
    if card.test is None:
        return text + "Not run.\n\n"
    return text + table(("figure", "value"), ((key.replace("_", " "), value) for key, value in card.test.items()))


def _rows(page: str, figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    """One row per number; an interval or a Bland–Altman analysis stays together."""
    return [(page, key.replace("_", " "), _value(value)) for key, value in figures.items()]


def _value(value: object) -> str:
    if isinstance(value, dict) and {"value", "low", "high"} <= value.keys():
        return f"{_value(value['value'])} ({_value(value['low'])} to {_value(value['high'])})"
    if isinstance(value, dict):
        return "; ".join(f"{key} {_value(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_value, value)) or "none"
    if isinstance(value, float):
        return f"{value:.3g}"
    return "–" if value is None else str(value)
