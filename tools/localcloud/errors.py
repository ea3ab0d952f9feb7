"""The error of this package, in a module without imports so that each of the others can raise it."""

from __future__ import annotations


class LocalCloudError(Exception):
    """A failure and its remedy, in one sentence for the user."""
