"""Events of a patient in words and rows, without Streamlit."""

from collections.abc import Sequence

from sarcopenia.records import StoredEvent


def holding(events: Sequence[StoredEvent]) -> tuple[StoredEvent, ...]:
    """Events that nobody has withdrawn."""
    return tuple(event for event in events if event.withdrawn is None)


def days_words(event: StoredEvent) -> str:
    """The day, or the first and the last."""
    first = event.first_day.isoformat()
    return first if event.last_day is None else f"{first} to {event.last_day.isoformat()}"


def event_words(event: StoredEvent) -> str:
    """One event in a line."""
    return " · ".join(part for part in (days_words(event), event.kind.value, event.note) if part)


def event_rows(events: Sequence[StoredEvent]) -> list[dict[str, object]]:
    """Table of all events; a withdrawn one says who took it back and why."""
    return [
        {
            "Day": days_words(event),
            "Kind": event.kind.value,
            "Note": event.note,
            "Author": event.author,
            "Recorded (UTC)": f"{event.recorded_at:%Y-%m-%d %H:%M}",
            "Withdrawn": ""
            if event.withdrawn is None
            else f"by {event.withdrawn.author} on {event.withdrawn.recorded_at:%Y-%m-%d}: {event.withdrawn.reason}",
        }
        for event in events
    ]
