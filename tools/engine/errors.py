"""The error of a missing engine."""


class EngineError(Exception):
    """Says in one sentence why there is no engine, and names the remedy."""
