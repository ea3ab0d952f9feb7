"""What goes wrong here, each as one sentence for the user."""

from __future__ import annotations


class LocalCloudError(Exception):
    """A failure with its remedy, in one sentence."""
