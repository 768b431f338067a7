"""The nouns of the product: frozen dataclasses and geometry. Imports numpy and the standard library only."""
