"""How long work says where it is: a protocol, so that the library needs no terminal."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told about stages; `cli` shows them, tests and scripts use `Silent`."""

    def stage(self, text: str, total: int) -> None:
        """Begin a stage of `total` parts."""

    def advance(self, n: int = 1) -> None:
        """Say that `n` parts are done."""

    def note(self, text: str) -> None:
        """Say something that stays on the screen."""


class Silent:
    """Says nothing."""

    def stage(self, text: str, total: int) -> None:
        """Do nothing."""

    def advance(self, n: int = 1) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""
