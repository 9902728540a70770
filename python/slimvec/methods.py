"""The methods of the command line: which estimator each one is, and which options it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import slimvec as sv

if TYPE_CHECKING:
    import argparse

    from slimvec.estimator import Estimator


@dataclass(frozen=True)
class Method:
    """An estimator, and the option that sets each of its parameters.

    Attributes
    ----------
    estimator : type
    options : dict of str to str
        Option without dashes, and the parameter that it sets.
    """

    estimator: type[Estimator]
    options: dict[str, str]


METHODS = {
    "iiq": Method(sv.IIQ, {"bits": "n_bits", "remove": "n_remove"}),
    "itq": Method(sv.ITQ, {"bits": "n_bits"}),
    "nlb": Method(sv.NLB, {"bits": "n_bits"}),
    "random-rotation": Method(sv.RandomRotation, {"bits": "n_bits"}),
    "sign-bits": Method(sv.SignBits, {}),
    "ant": Method(sv.ANT, {"anchors": "n_anchors", "nonzeros": "nonzeros", "l1": "l1", "signed": "nonnegative"}),
    "frequency": Method(sv.FrequencySelection, {"anchors": "n_anchors"}),
    "low-rank": Method(sv.LowRank, {"rank": "rank"}),
    "post-sh": Method(sv.PostSH, {"anchors": "n_anchors", "nonzeros": "nonzeros"}),
    "post-sh-ksvd": Method(sv.PostSHKSVD, {"anchors": "n_anchors", "nonzeros": "nonzeros"}),
    "prune": Method(sv.Prune, {"sparsity": "sparsity"}),
    "sparse-code": Method(sv.SparseCode, {"anchors": "n_anchors", "l1": "l1"}),
    "vocabulary-quantization": Method(sv.VocabularyQuantization, {"anchors": "n_anchors"}),
}
BINARY = {"iiq", "itq", "nlb", "random-rotation", "sign-bits"}
OPTIONS = ("bits", "remove", "anchors", "nonzeros", "l1", "signed", "rank", "sparsity")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the choice of a method and the options of all of them."""
    parser.add_argument("--method", choices=METHODS, default="iiq", help="default: %(default)s")
    parser.add_argument("--bits", type=int, metavar="N", help="bits per code (default: the dimension)")
    parser.add_argument(
        "--remove", type=directions, metavar="D", help="directions removed, or auto (default: 1, ITQ: 0)"
    )
    parser.add_argument(
        "--factors", action="store_true", help="keep 2 or 3 float16 per row, for float queries and reconstruction"
    )
    parser.add_argument("--anchors", type=int, metavar="K", help="anchors, centroids, or rows kept (default: 1000)")
    parser.add_argument("--nonzeros", type=int, metavar="N", help="anchors per row (default: 10)")
    parser.add_argument("--l1", type=float, metavar="X", help="penalty of the lasso, for ant instead of --nonzeros")
    parser.add_argument("--signed", action="store_true", default=None, help="let ant weigh anchors negatively")
    parser.add_argument("--rank", type=int, metavar="R", help="of low-rank (default: 20)")
    parser.add_argument("--sparsity", type=float, metavar="X", help="part that prune sets to zero (default: 0.95)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--dtype", choices=["float32", "float16", "int4"], help="numbers of a table of anchors (default: float32)"
    )


def directions(text: str) -> int | str:
    """Return the number of directions that an option gives, or ``"auto"``; argparse reports a ValueError."""
    return text if text == "auto" else int(text)


def make_method(options: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """Return the estimator that the options describe, and what its ``compress`` is to be given.

    Raises
    ------
    ValueError
        If an option is not one of the method's.
    """
    name = options.method
    method = METHODS[name]
    given = {option: getattr(options, option) for option in OPTIONS if getattr(options, option) is not None}
    if name == "itq" and given.pop("remove", 0):  # told to remove nothing, it does
        raise ValueError(f"--remove {options.remove}: ITQ removes nothing; use --method iiq")
    for option in given:
        if option not in method.options:
            known = ", ".join(f"--{other}" for other in method.options)
            raise ValueError(f"--{option}: --method {name} has no such option; it has {known}")
    if options.dtype is not None and name in BINARY:
        raise ValueError(f"--dtype: --method {name} makes codes, which hold no numbers")
    if options.factors and name not in BINARY:
        raise ValueError(f"--factors: --method {name} makes no codes")
    parameters = {method.options[option]: not value if option == "signed" else value for option, value in given.items()}
    estimator = method.estimator(**parameters)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=options.seed)
    if options.factors:
        return estimator, {"factors": True}
    return estimator, {} if options.dtype is None else {"dtype": options.dtype}
