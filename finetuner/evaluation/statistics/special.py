"""Distribution functions and their quantiles, on the standard library alone."""

import math
from collections.abc import Callable
from statistics import NormalDist

from finetuner.evaluation.statistics.domain import require, require_open_share, require_positive, require_share

_PRECISION = 3e-16
_TINY = 1e-300
_MAX_TERMS = 100_000


def normal_cdf(x: float) -> float:
    """Probability that a standard normal variable is at most `x`, to full precision in both tails."""
    return math.erfc(-x / math.sqrt(2)) / 2


def normal_quantile(q: float) -> float:
    """The standard normal quantile of level `q`, strictly between 0 and 1 (Wichura 1988, AS 241)."""
    require_open_share("q", q)
    return NormalDist().inv_cdf(q)


def two_sided_z(confidence: float) -> float:
    """The normal quantile `z(1 - alpha/2)` of a two-sided interval with this confidence."""
    require_open_share("confidence", confidence)
    return normal_quantile((1 + confidence) / 2)


def log_beta(a: float, b: float) -> float:
    """Natural logarithm of the beta function, for `a, b > 0`."""
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularized incomplete beta function `I_x(a, b)`: the Beta(a, b) distribution function at `x`, 0..1.

    Source: continued fraction DLMF 8.17.22.
    """
    require_positive("a", a)
    require_positive("b", b)
    require_share("x", x)
    if x in {0, 1}:
        return float(x)
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)

    def term(k: int) -> tuple[float, float]:
        m = k // 2
        if k % 2:
            return -(a + m) * (a + b + m) * x / ((a + k - 1) * (a + k)), 1.0
        return m * (b - m) * x / ((a + k - 1) * (a + k)), 1.0

    return math.exp(a * math.log(x) + b * math.log1p(-x) - log_beta(a, b)) / (a * _continued_fraction(1.0, term))


def beta_quantile(q: float, a: float, b: float) -> float:
    """The Beta(a, b) quantile of level `q` strictly between 0 and 1, by bisection."""
    require_open_share("q", q)
    return bisect(lambda x: incomplete_beta(a, b, x) - q, 0.0, 1.0)


def incomplete_gamma_upper(a: float, x: float) -> float:
    """The regularized upper incomplete gamma function `Q(a, x)`, 0..1.

    Source: power series DLMF 8.7.1 below `a + 1`, continued fraction DLMF 8.9.2 above.
    """
    require_positive("a", a)
    require(x >= 0, f"x is {x}: it must not be negative")
    if x in {0, math.inf}:
        return float(x == 0)
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x >= a + 1:
        return front / _continued_fraction(x + 1 - a, lambda k: (-k * (k - a), x + 2 * k + 1 - a))
    term = total = 1 / a
    k = 0
    while term > total * _PRECISION:
        k += 1
        term *= x / (a + k)
        total += term
    return 1 - front * total


def chi2_upper_tail(x: float, degrees: float) -> float:
    """Probability that a chi-square variable with these degrees of freedom exceeds `x`."""
    require_positive("degrees", degrees)
    return incomplete_gamma_upper(degrees / 2, x / 2)


def chi2_quantile(q: float, degrees: float) -> float:
    """The chi-square quantile of level `q` strictly between 0 and 1, by bisection."""
    require_open_share("q", q)
    high = degrees + 1
    while chi2_upper_tail(high, degrees) > 1 - q:
        high *= 2
    return bisect(lambda x: 1 - q - chi2_upper_tail(x, degrees), 0.0, high)


def student_t_two_sided(t: float, degrees: float) -> float:
    """Probability that a Student t variable with these degrees of freedom is at least as far from 0 as `t`."""
    require_positive("degrees", degrees)
    return incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t))


def student_t_quantile(q: float, degrees: float) -> float:
    """The Student t quantile of level `q` strictly between 0 and 1, by bisection."""
    require_open_share("q", q)
    if q < 0.5:  # noqa: PLR2004  # the t distribution is symmetric about its median
        return -student_t_quantile(1 - q, degrees)
    high = 2.0
    while student_t_two_sided(high, degrees) > 2 * (1 - q):
        high *= 2
    return bisect(lambda t: 2 * (1 - q) - student_t_two_sided(t, degrees), 0.0, high)


def binomial_pmf(k: int, n: int, p: float) -> float:
    """Probability of exactly `k` successes of `n` when each has probability `p`."""
    require_share("p", p)
    require(n >= 0, f"n is {n}: it must not be negative")
    if not 0 <= k <= n:
        return 0.0
    if p in {0, 1}:
        return float(k == n * p)
    log_ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(log_ways + k * math.log(p) + (n - k) * math.log1p(-p))


def binomial_cdf(k: int, n: int, p: float) -> float:
    """Probability of at most `k` successes of `n` when each has probability `p`."""
    require_share("p", p)
    if k < 0 or k >= n:
        return float(k >= n)
    return incomplete_beta(n - k, k + 1, 1 - p)


def bisect(rising: Callable[[float], float], low: float, high: float) -> float:
    """The root of a rising function between `low` and `high`, to the last bit of a float.

    Neither end is evaluated, so that the function may be undefined there.
    """
    while low < (middle := (low + high) / 2) < high:
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _continued_fraction(leading: float, term: Callable[[int], tuple[float, float]]) -> float:
    """`leading + n1/(d1 + n2/(d2 + ...))` with `term(k) = (nk, dk)`, by the modified Lentz method."""
    value, c, d = leading, leading, 0.0
    for k in range(1, _MAX_TERMS):
        numerator, denominator = term(k)
        d = 1 / (denominator + numerator * d or _TINY)
        c = denominator + numerator / c or _TINY
        value *= c * d
        if abs(c * d - 1) < _PRECISION:
            break
    return value
