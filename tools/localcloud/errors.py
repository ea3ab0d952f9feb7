"""What goes wrong here, each as one sentence for the user."""

from __future__ import annotations

from shared.errors import TxmonError


class LocalCloudError(TxmonError):
    """A failure with its remedy, in one sentence."""
