"""Distribution functions against closed forms."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.errors import UsageError
from finetuner.evaluation.statistics import special

levels = st.floats(1e-6, 1 - 1e-6)


def test_the_normal_tail_keeps_its_digits():
    assert special.normal_cdf(-10) == pytest.approx(7.61985302416e-24, rel=1e-10)


@given(levels)
def test_normal_quantile_inverts_the_cdf(q):
    assert special.normal_cdf(special.normal_quantile(q)) == pytest.approx(q, rel=1e-9)


@given(st.integers(0, 60), st.integers(1, 60), st.floats(0, 1))
def test_incomplete_beta_is_the_binomial_tail(k, more, p):
    n = k + more
    exact = math.fsum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))
    assert special.binomial_cdf(k, n, p) == pytest.approx(exact, abs=1e-11)
    assert special.binomial_pmf(k, n, p) == pytest.approx(math.comb(n, k) * p**k * (1 - p) ** (n - k), abs=1e-12)


@given(st.floats(0.2, 200), st.floats(0.2, 200), levels)
def test_beta_quantile_inverts_the_incomplete_beta(a, b, q):
    x = special.beta_quantile(q, a, b)
    if 1e-12 < x < 1 - 1e-12:
        assert special.incomplete_beta(a, b, x) == pytest.approx(q, abs=1e-6)


@given(st.floats(0, 200), st.integers(1, 20))
def test_chi_square_with_even_degrees_is_a_poisson_sum(x, half):
    exact = math.fsum(math.exp(-x / 2) * (x / 2) ** j / math.factorial(j) for j in range(half))
    assert special.chi2_upper_tail(x, 2 * half) == pytest.approx(exact, abs=1e-12)


def test_chi_square_with_one_degree_is_a_squared_normal():
    assert special.chi2_upper_tail(1.959963984540054**2, 1) == pytest.approx(0.05, abs=1e-12)
    assert special.chi2_quantile(0.95, 1) == pytest.approx(3.841458820694124, abs=1e-9)


@given(levels)
def test_student_t_with_one_degree_is_cauchy(q):
    assert special.student_t_quantile(q, 1) == pytest.approx(math.tan(math.pi * (q - 0.5)), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    "impossible",
    [
        lambda: special.normal_quantile(0),
        lambda: special.incomplete_beta(0, 1, 0.5),
        lambda: special.incomplete_beta(1, 1, 1.5),
        lambda: special.incomplete_gamma_upper(1, -1),
        lambda: special.chi2_quantile(1, 3),
        lambda: special.binomial_pmf(1, 2, 1.1),
    ],
)
def test_impossible_input_is_refused(impossible):
    with pytest.raises(UsageError):
        impossible()
