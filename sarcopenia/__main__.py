"""`python -m sarcopenia` is the `sarcopenia` command."""

from sarcopenia.cli import main

if __name__ == "__main__":
    main()
