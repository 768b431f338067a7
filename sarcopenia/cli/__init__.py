"""The command line: `sarcopenia run | serve | worker | assess | demo | doctor | models …`.

Commands only parse, call one function of the layer below and say what happened. Exit codes: 0 done (also the finding
"L3 is not in this scan"), 2 InputError, 3 InferenceError or a set-up without inference, 1 anything else.
"""

from sarcopenia.cli.app import main

__all__ = ["main"]
