"""What an import or export did to every node: exact, changed (and how), or refused (and why)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class Status(enum.Enum):
    """How much of a node's meaning was kept."""

    EXACT = "exact"
    CHANGED = "changed"
    REFUSED = "refused"


@dataclass(frozen=True)
class Finding:
    """What became of one node, population or projection."""

    name: str
    kind: str
    status: Status
    note: str = ""

    def __str__(self) -> str:
        text = f"{self.status.value:8} {self.name} ({self.kind})"
        return f"{text}: {self.note}" if self.note else text


@dataclass(frozen=True)
class Report:
    """What an import or export did; a finding for every node.

    Parameters
    ----------
    findings : one per node or more, in the graph's order
    settings : how the questions that NIR leaves open were answered
    """

    findings: tuple[Finding, ...]
    settings: Mapping[str, str] = field(default_factory=dict)

    def of(self, status: Status) -> tuple[Finding, ...]:
        """Return the findings of one kind."""
        return tuple(f for f in self.findings if f.status is status)

    @property
    def is_exact(self) -> bool:
        """Whether nothing was changed or refused."""
        return all(f.status is Status.EXACT for f in self.findings)

    def note(self, name: str) -> str:
        """Return everything said about a node, joined."""
        return "; ".join(f.note for f in self.findings if f.name == name and f.note)

    def __str__(self) -> str:
        lines = [", ".join(f"{k}: {v}" for k, v in self.settings.items())] if self.settings else []
        return "\n".join(lines + [str(f) for f in self.findings])


@dataclass
class Findings:
    """Collects findings while a graph is walked."""

    found: list[Finding] = field(default_factory=list)

    def add(self, name: str, kind: str, status: Status, note: str = "") -> None:
        """Note one finding."""
        self.found.append(Finding(name, kind, status, note))

    def frozen(self, settings: Mapping[str, str]) -> Report:
        """Return the report, node by node: where one has several findings, a bare "exact" is left out."""
        spoken = {f.name for f in self.found if f.note or f.status is not Status.EXACT}
        first: dict[str, int] = {}
        for f in self.found:
            first.setdefault(f.name, len(first))
        kept = []
        seen = set()
        for f in sorted(self.found, key=lambda f: first[f.name]):
            if f.status is Status.EXACT and not f.note and (f.name in spoken or f.name in seen):
                continue
            seen.add(f.name)
            kept.append(f)
        return Report(tuple(kept), dict(settings))
