"""The one place where errors become exit codes and words of the command line."""

import json
from enum import IntEnum
from typing import NoReturn

import typer

from sarcopenia.cli import assess as assess_command
from sarcopenia.domain.errors import InferenceError, InputError, SarcopeniaError, SettingsError


class ExitCode(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    OTHER = 1
    INPUT = 2
    INFERENCE = 3


def exit_code(error: SarcopeniaError) -> ExitCode:
    """Exit code of an error: 2 for the input, 3 when inference is not to be had, 1 for the rest."""
    if isinstance(error, InputError):
        return ExitCode.INPUT
    return ExitCode.INFERENCE if isinstance(error, InferenceError | SettingsError) else ExitCode.OTHER


def fail(error: SarcopeniaError, *, as_json: bool = False) -> NoReturn:
    """Say what happened and what to do, and leave with the fitting code."""
    if as_json:
        typer.echo(json.dumps(assess_command.error_object(error), ensure_ascii=False))
    else:
        typer.echo(f"{error.title}: {error.message}\n{error.next_step}", err=True)
    raise typer.Exit(exit_code(error))
