"""One seeded bug: a small change of the text of one module, and the tests that have to fail."""

from dataclasses import dataclass
from pathlib import Path

STORY = "tests/recovery/test_every_crash_point.py"
"""The story that dies at named points; ``points`` says at which."""


class NoLongerThere(Exception):
    """The text that a mutant changes is not in its module, or more than once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A bug to seed.

    Every ``old`` of ``changes`` must stand in the module exactly once, so that a mutant that no
    longer fits is noticed.
    """

    name: str
    module: str
    """Path below ``imm_ray``."""
    changes: tuple[tuple[str, str], ...]
    """Pairs of the text as it is and the text with the bug."""
    tests: tuple[str, ...] = ()
    """What pytest is given, the quickest first."""
    points: tuple[str, ...] = ()
    """Named points at which the story dies; then `STORY` runs after ``tests``."""

    def applied(self, text: str) -> str:
        """Return a module's text with the bug.

        Raises
        ------
        NoLongerThere
        """
        for old, new in self.changes:
            if text.count(old) != 1:
                raise NoLongerThere(
                    f"the mutant {self.name!r} changes a text that stands {text.count(old)} times "
                    f"in {self.module}: {old!r}. Change the mutant with the module."
                )
            text = text.replace(old, new)
        return text

    def check(self, package: Path) -> None:
        """Return when the bug can be seeded into a package.

        Raises
        ------
        NoLongerThere
        """
        self.applied((package / self.module).read_text())
