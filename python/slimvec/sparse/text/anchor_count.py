"""How many anchors a text classifier is to have, where nobody says: what the rule of NBANT comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.sparse.training.anchor_rule import AnchorRule, most_used, residual_anchors

if TYPE_CHECKING:
    from slimvec.sparse.text.bags import Bags
    from slimvec.sparse.text.model import Targets, TextModel

HELD_OUT = 10  # one text in so many
SAMPLE = 1024  # texts whose words are asked what they lack
CHECKS = 4  # per epoch
FIRST = 4  # anchors


def find_anchor_count(
    model: TextModel, bags: Bags, labels: Targets, generator: np.random.Generator, **schedule: Any
) -> int:
    """Return the number of anchors with the least objective while NBANT's rule changes it and a text model is trained.

    A tenth of the texts tells the loss, four times an epoch. A non-zero of T costs λ and an anchor d times as much, for
    its d numbers; non-zeros that would not outlive the time to the next look, without a gradient, do not count. The
    model is not meant to be used: anchors that come late find the rows taken.

    On 20 Newsgroups the objective of models with fixed K is least at 10 anchors. This returns 10 to 14 with λ = 1e-5,
    18 with 3e-6, and 24 to 26 with 1e-6, where the objective is flat (0.55 at 10, 0.58 at 16). The rule is guided by
    the falling loss of a model that learns, too: that is its weakness.
    """
    if len(bags) < 2:
        raise ValueError('n_anchors="auto" learns from some texts and looks at others; expected a number for one text')
    order = generator.permutation(len(bags))
    n_held = max(len(bags) // HELD_OUT, 1)
    held, rest = order[:n_held], order[n_held:]
    held_bags, rest_bags, rest_labels = bags.part(held), bags.part(rest), labels[rest]
    rule = AnchorRule(model.l1, model.l1 * model.anchors.shape[1])
    every = max(len(rest) // schedule["batch_size"] // CHECKS, 1)

    def change(step: int, lr: float) -> None:
        if step % every:
            return
        k = model.store.shape[1]
        count = rule.next_count(model.loss(held_bags, labels[held]), model.lasting(every * lr * model.l1), k)
        lengths = np.linalg.norm(model.anchors, axis=1)
        kept = most_used(model.store.column_sums() * lengths, count)
        some = generator.choice(len(rest), min(SAMPLE, len(rest)), replace=False)
        residuals = model.residuals(rest_bags.take(some), rest_labels[some])
        model.resize_anchors(kept, residual_anchors(residuals, max(count - k, 0), lengths[kept].mean(), generator))

    model.train(rest_bags, rest_labels, generator=generator, after_step=change, **schedule)
    return rule.best_count
