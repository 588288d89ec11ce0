"""Places along a line: each as near to where it should be as the others allow."""

from collections.abc import Sequence


def spread(wanted: Sequence[float], weights: Sequence[float], steps: Sequence[float]) -> list[float]:
    """The places with the least squared distance from the wanted ones, where each is at least its step after the one before.

    Without the steps this is a regression onto rising values, which pooling neighbours that are out of order solves.
    """
    offsets: list[float] = []
    total = 0.0
    for step in steps:
        total += step
        offsets.append(total)
    pools: list[tuple[float, float, int]] = []
    for want, weight, offset in zip(wanted, weights, offsets, strict=True):
        mean, sum_, count = want - offset, weight, 1
        while pools and pools[-1][0] >= mean:
            other, other_sum, other_count = pools.pop()
            mean = (mean * sum_ + other * other_sum) / (sum_ + other_sum)
            sum_, count = sum_ + other_sum, count + other_count
        pools.append((mean, sum_, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
