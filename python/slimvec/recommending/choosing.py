"""Finding the cheapest codes that reach a recall with few trials: by halves, since more bytes find more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from slimvec.recommending.trend import Expected, expected
from slimvec.recommending.trial import Trial

if TYPE_CHECKING:
    from slimvec.progress import Progress
    from slimvec.recommending.choices import Choice
    from slimvec.recommending.sample import Sample

BESIDE = 0.8  # of the bytes of the cheapest that was found: what costs more than that is tried, too
MOST_BESIDE = 3


@dataclass(eq=False)
class Trials:
    """What was tried on a sample so far.

    Attributes
    ----------
    sample : Sample
    progress : callable
    made : dict of Choice to Trial
    """

    sample: Sample
    progress: Progress
    made: dict[Choice, Trial] = field(default_factory=dict)

    def expected(self) -> dict[Choice, Expected]:
        """Return the recall of all that was tried, among all rows."""
        misses = [trial.misses for trial in self.made.values()]
        return dict(zip(self.made, expected(misses, self.sample.sizes, self.sample.n_rows), strict=True))

    def recall(self, choice: Choice) -> float:
        """Return the recall of a choice among all rows, after trying it."""
        if choice not in self.made:
            self.progress(f"trying {choice.n_bits} + {choice.refine_bits} bits", 0, 1)
            self.made[choice] = Trial.of(self.sample, choice)
            self.progress(f"trying {choice.n_bits} + {choice.refine_bits} bits", 1, 1)
        return self.expected()[choice].recall

    def cheapest(self, recall: float) -> Choice | None:
        """Return the choice of fewest bytes that reaches a recall; None if there is none."""
        choices = self.sample.shape.choices()
        below, above = -1, len(choices)
        while above - below > 1:
            middle = (below + above) // 2
            if self.recall(choices[middle]) >= recall:
                above = middle
            else:
                below = middle
        if above < len(choices):
            least = BESIDE * self._bytes(choices[above])
            for choice in choices[above - 1 : max(-1, above - 1 - MOST_BESIDE) : -1] if above else []:
                if self._bytes(choice) >= least:
                    self.recall(choice)
        # Each trial tells the trend better, so that what reached it may no longer do.
        while True:
            reached = [choice for choice, found in self.expected().items() if found.recall >= recall]
            if reached:
                return min(reached, key=choices.index)
            if above >= len(choices) - 1:
                return None
            above += 1
            self.recall(choices[above])

    def best_within(self, budget: float) -> Choice | None:
        """Return the choice of the highest recall of those that take so many bytes per row; None if none does."""
        choices = [choice for choice in self.sample.shape.choices() if self._bytes(choice) <= budget]
        for choice in choices[-1 - MOST_BESIDE :]:
            self.recall(choice)
        found = self.expected() if choices else {}
        return max(found, key=lambda choice: found[choice].recall, default=None)

    def _bytes(self, choice: Choice) -> int:
        return self.sample.shape.bytes_of(choice)
