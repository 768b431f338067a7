"""Small pieces of Markdown: tables, figures with their interval, links to plots."""

from collections.abc import Iterable, Sequence

from sarcopenia.clinical.method_comparison import BlandAltman, Interval

NOT_KNOWN = "–"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a header, ending in a blank line."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n\n"


def interval(found: Interval, form: str = "+.1f") -> str:
    """Value with its 95 % confidence interval."""
    return f"{found.value:{form}} ({found.low:{form}} to {found.high:{form}})"


def limits(found: BlandAltman, form: str = "+.1f") -> str:
    """Bias and limits of agreement with their confidence intervals."""
    ends = f"limits {interval(found.lower, form)} and {interval(found.upper, form)}"
    return f"bias {interval(found.bias, form)}, {ends}, n = {found.n}"


def number(value: float | None, form: str) -> str:
    """A number, or a dash where there is none or it is not finite."""
    if value is None or value != value or abs(value) == float("inf"):  # noqa: PLR0124 # NaN differs from itself
        return NOT_KNOWN
    return format(value, form)


def yes_no(value: bool | None) -> str:
    """Yes, no, or a dash."""
    if value is None:
        return NOT_KNOWN
    return "yes" if value else "no"


def plot(file_name: str, text: str) -> str:
    """A picture with a text for those who do not see it."""
    return f"![{text}](plots/{file_name})\n\n"
