"""Procedural torso CTs with exact ground truth. Imports numpy and scipy only; writing them out belongs to exchange."""

from sarcopenia.phantom.make import Phantom, make_phantom
from sarcopenia.phantom.random_spec import random_spec
from sarcopenia.phantom.spec import PhantomSpec

__all__ = ["Phantom", "PhantomSpec", "make_phantom", "random_spec"]
