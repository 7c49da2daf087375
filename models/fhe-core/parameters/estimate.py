"""Estimates the security of one secret: prints a row of estimates.json.

    sage -python estimate.py ESTIMATOR BLOCK DIMENSION NOISE_LOG2

ESTIMATOR is a checkout of the lattice estimator at the commit estimates.json names. The estimator does not
know secrets in blocks of which at most one bit is 1, so such a secret is described to it by what an attacker
can use of it:

- its covariance. A block of b bits has p I - p^2 J, p = 1 / (b + 1); scaling the lattice by its root leaves
  independent coordinates of its geometric mean, less than the p (1 - p) of a sparse binary secret.
- guesses of whole blocks. A guess that w of z blocks are not zero has binomial(z, w) b^w candidates; the
  hybrid attack guesses blocks instead of coordinates.

Uniform binary secrets (BLOCK 1) go to the estimator as they are.
"""

import json
import logging
import sys
from functools import lru_cache


def main() -> None:
    estimator, block, dimension, noise_log2 = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    sys.path.insert(0, estimator)
    from estimator import LWE, ND
    from sage.all import RR, log, oo

    logging.disable(logging.CRITICAL)
    secret = ND.Uniform(0, 1)
    if block > 1:
        use_covariance(block)
        guess_blocks(block, dimension)
        secret = ND.SparseBinary(dimension // (block + 1), n=dimension)
    params = LWE.Parameters(
        n=dimension, q=2**64, Xs=secret, Xe=ND.DiscreteGaussian(2.0 ** (64 + noise_log2)), m=oo
    )

    def bits(cost) -> float:
        return round(float(log(RR(cost["rop"]), 2)), 3)

    def hybrid(guessed: int | None = None) -> float:
        return bits(LWE.primal_hybrid(params, mitm=True, babai=True, zeta=guessed))

    row = {
        "block": block,
        "dimension": dimension,
        "noise_log2": noise_log2,
        "usvp": bits(LWE.primal_usvp(params)),
        "bdd": bits(LWE.primal_bdd(params)),
        "dual_hybrid": bits(LWE.dual_hybrid(params)),
        "primal_hybrid": hybrid() if block == 1 else least(hybrid, block, dimension),
    }
    print(json.dumps(row))


def use_covariance(block: int) -> None:
    """Makes sparse secrets as narrow as the geometric mean over a block."""
    import estimator.nd as nd
    from sage.all import RR

    p = 1 / (block + 1)
    narrower = ((p ** (block - 1) * p * p) / (p * (1 - p)) ** block) ** (1 / (2 * block))
    initialise = nd.SparseTernary.__init__

    def narrow(self, *arguments, **options):
        initialise(self, *arguments, **options)
        self.stddev = self.stddev * RR(narrower)

    nd.SparseTernary.__init__ = narrow


def guess_blocks(block: int, dimension: int) -> None:
    """Makes the hybrid attack guess whole blocks."""
    import estimator.lwe_primal as primal
    from sage.all import RR, binomial

    one = RR(block) / RR(block + 1)

    @lru_cache(None)
    def guess(coordinates: int, weight: int):
        blocks, rest = divmod(coordinates, block)
        size, probability = 0, RR(0)
        for w in range(min(weight, blocks) + 1):
            size += binomial(blocks, w) * block**w
            probability += RR(binomial(blocks, w)) * one**w * (1 - one) ** (blocks - w)
        return size * (rest + 1), min(probability, RR(1))

    def set_and_probability(coordinates, _distribution, weight):
        if coordinates == 0:
            return 1, 1.0
        if coordinates > dimension // block * block:
            return 1, RR(2) ** -4000
        return guess(coordinates, weight)

    primal.guessing_set_and_hit_probability = set_and_probability


def least(hybrid, block: int, dimension: int) -> float:
    """The hybrid attack's cost at its best number of guessed blocks: it falls, then rises."""
    seen: dict[int, float] = {}

    def at(coordinates: int) -> float:
        if coordinates not in seen:
            seen[coordinates] = hybrid(coordinates)
        return seen[coordinates]

    here, step = int(0.44 * dimension) // block * block, 8 * block
    while step >= block:
        while True:
            if at(here + step) < at(here):
                here += step
            elif at(here - step) < at(here):
                here -= step
            else:
                break
        step //= 2
    return at(here)


if __name__ == "__main__":
    main()
