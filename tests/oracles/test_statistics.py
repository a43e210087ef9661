"""Every statistic gives the published or independently computed value.

The values stand in the tables beside this file, each table with its source and the error it allows.
"""

import json
import math
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetuner.deployment import (
    assignment,
    divergence,
    guardrails,
    histogram,
    quantiles,
    sample_ratio,
    sequential,
    strata,
)
from finetuner.evaluation.statistics import (
    agreement,
    correction,
    judged,
    means,
    paired,
    power,
    proportions,
)
from finetuner.evaluation.statistics.means import Effect, Moments
from finetuner.evaluation.statistics.paired import PairedCounts
from finetuner.evaluation.statistics.special import two_sided_z

HERE = Path(__file__).parent
TABLES = [table for path in sorted(HERE.glob("table_*.py")) for table in runpy.run_path(str(path))["TABLES"]]
CASES = {
    f"{check}-{number}": (check, tolerance, arguments, expected)
    for number, (check, tolerance, arguments, expected) in enumerate(
        (check, tolerance, *row) for check, _source, tolerance, rows in TABLES for row in rows
    )
}
SHARED = HERE.parents[2] / "shared" / "oracles" / "statistics.json"
# Checked with the modules that own them, in tests/data.
OTHERS = {"luhn_valid", "iban_valid", "ssn_plausible", "minhash_lsh_probability", "canonical_json_sha256"}


def interval(estimate):
    return {"low": estimate.low, "high": estimate.high}


def moments(arm):
    if isinstance(arm, list):
        return Moments.from_share(*arm)
    return Moments.from_sums(arm["n"], arm["sum"], arm["sum_squares"])


def effect_of(control, treatment, scale) -> Effect:
    difference = means.relative_difference if scale == "relative" else means.absolute_difference
    return difference(moments(control), moments(treatment))


def acs(control, treatment, scale, alpha, planned_n):
    effect = effect_of(control, treatment, scale)
    found = sequential.confidence_sequence(effect, alpha=alpha, planned_n=planned_n)
    p = sequential.confidence_sequence_p_value(effect, alpha=alpha, planned_n=planned_n)
    return {"estimate": effect.value, "se": effect.se, **interval(found), "p": p}


def acs_bound(control, treatment, scale, alpha, planned_n, side):
    bound = sequential.lower_bound if side == "lower" else sequential.upper_bound
    return bound(effect_of(control, treatment, scale), alpha=alpha, planned_n=planned_n)


def welch(control, treatment, scale, alpha):
    base, tuned, relative = moments(control), moments(treatment), scale == "relative"
    found = means.welch_interval(base, tuned, relative=relative, confidence=1 - alpha)
    return {"estimate": found.value, **interval(found), "p": means.welch_p_value(base, tuned, relative=relative)}


def counts(b, c, n=None) -> PairedCounts:
    return PairedCounts(both=(n or b + c) - b - c, tuned_only=b, base_only=c, neither=0)


def tango(b, c, n, alpha):
    bounds = paired.tango_bounds(counts(b, c, n), alpha=alpha)
    return {
        **interval(paired.tango_interval(counts(b, c, n), confidence=1 - alpha)),
        "one_sided_low": bounds.low,
        "one_sided_high": bounds.high,
    }


def mcnemar_chi2(table, continuity):
    assert not continuity
    (both, b), (c, neither) = table
    test = paired.mcnemar_chi2(PairedCounts(both=both, tuned_only=b, base_only=c, neither=neither))
    return {"statistic": test.statistic, "p": test.p_value}


def srm_marginals(batches, shares, prior):
    totals = [sum(column) for column in zip(*batches, strict=True)]
    log_m1 = log_m0 = 0.0
    for batch in batches:
        log_m1 += sample_ratio.dirichlet_multinomial_log_probability(batch, prior)
        log_m0 += sample_ratio.multinomial_log_probability(batch, shares)
        prior = [a + count for a, count in zip(prior, batch, strict=True)]
    start = [a - total for a, total in zip(prior, totals, strict=True)]
    together = sample_ratio.dirichlet_multinomial_log_probability(
        totals, start
    ) - sample_ratio.multinomial_log_probability(totals, shares)
    assert together == pytest.approx(log_m1 - log_m0, abs=1e-9)
    return {"log_m1": log_m1, "log_m0": log_m0, "log_bf": log_m1 - log_m0}


def bernoulli_cs(successes, n, alpha, planned_n, tuning_alpha):
    assert tuning_alpha == 0.05
    return interval(sequential.share_confidence_sequence(successes, n, alpha=alpha, planned_n=planned_n))


def beta_binomial(s, v, v_opt, g, h, tuning_alpha, one_sided):
    assert not one_sided
    return sequential.beta_binomial_log_mixture(
        s, v, planned_variance=v_opt, below=g, above=h, tuning_alpha=tuning_alpha
    )


def quantile_cs(data, q, alpha, planned_n):
    low, high = data["range"]
    values = list(range(low, high + 1))
    fewest, most = sequential.quantile_count_range(len(values), q, alpha=alpha, planned_n=planned_n)
    found = sequential.quantile_confidence_sequence(values, q, alpha=alpha, planned_n=planned_n)
    return {**interval(found), "smallest_kept_count": fewest, "largest_kept_count": most}


def design(omega2, sigma2_a, sigma2_b, k_a, k_b) -> power.SamplingDesign:
    return power.SamplingDesign(
        difference_variance=omega2, tuned_noise=sigma2_a, base_noise=sigma2_b, tuned_samples=k_a, base_samples=k_b
    )


def order_ranks(n, q, confidence):
    ranks = quantiles.order_statistic_ranks(n, q, confidence=confidence)
    return {"lower_rank": ranks.lower, "upper_rank": ranks.upper, "coverage": ranks.coverage}


def kappa(table):
    found = agreement.cohen_kappa(table)
    return {"kappa": found.value, "se": (found.high - found.value) / two_sided_z(0.95)}


def rogan_gladen(p, specificity, sensitivity, n, m0, m1, alpha):
    judge = judged.JudgeAccuracy(sensitivity=sensitivity, positives=m1, specificity=specificity, negatives=m0)
    found = judged.rogan_gladen(p, n, judge, confidence=1 - alpha)
    return {"estimate": found.value, **interval(found)}


def ppi(labels, scores, unlabeled, lam, alpha):
    y, f, fu = (part["pattern"] * part["times"] for part in (labels, scores, unlabeled))
    found = judged.ppi_mean(y, f, fu, weight=lam, confidence=1 - alpha)
    weight = judged.ppi_weight(y, f, fu) if lam is None else lam
    return {"lam": weight, "estimate": found.value, **interval(found)}


def ratio(x, y):
    found = means.ratio_of_means(x, y)
    return {"ratio": found.value, "variance": found.se**2}


def cuped(y, x):
    found = strata.cuped(y, x)
    return {
        "theta": found.theta,
        "adjusted_mean": found.moments.mean,
        "adjusted_variance": found.moments.variance,
    }


def stratified(rows):
    found = strata.stratified_difference([Effect(row["difference"], row["se"], 100) for row in rows])
    return {"difference": found.value, "se": found.se}


def aipw(rows):
    units = [
        strata.WeightedUnit(
            outcome=row["y"],
            tuned=bool(row["tuned"]),
            share=row["share"],
            predicted_tuned=row["m1"],
            predicted_base=row["m0"],
        )
        for row in rows
    ]
    found = strata.aipw_difference(units)
    return {"difference": found.value, "se": found.se}


def woodruff(data, q, confidence):
    assert data.startswith("(i*7919)%1000 + 1 for i in 0..999")
    found = quantiles.woodruff([(i * 7919) % 1000 + 1 for i in range(1000)], q, confidence=confidence)
    return {"quantile": found.value, "se": found.se}


def homogeneity(sample, reference):
    found = divergence.chi2_homogeneity(sample, reference)
    return {"statistic": found.statistic, "p": found.p_value}


def kolmogorov(x, y):
    found = divergence.ks_two_sample(x, y)
    return {"D": found.statistic, "p_kolmogorov_limit": found.p_value}


def psi(sample, reference, smoothing, zero_replacement):
    assert zero_replacement is None or min(*sample, *reference) > 0
    return divergence.psi(sample, reference, smoothing=smoothing)


def jensen_shannon(sample, reference, base):
    assert base == 2
    return divergence.jensen_shannon_distance(sample, reference)


def variance_ratio(k, difficulty):
    assert difficulty == "Uniform(0,1)"
    return power.resampling_variance_ratio(k)


def launchdarkly(key, salt, unit, seed):
    if seed is not None:
        return assignment.text_bucket(f"{seed}.{unit}")
    return assignment.bucket(key, salt, unit)


def fnv1a32(text):
    """A reference for comparison only: 32-bit FNV-1a over UTF-8 bytes."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = (value ^ byte) * 0x01000193 % 2**32
    return value


def growthbook(seed, unit, version):
    """GrowthBook's bucket, for comparison only."""
    if version == 1:
        return fnv1a32(unit + seed) % 1000 / 1000
    return fnv1a32(str(fnv1a32(seed + unit))) % 10000 / 10000 if version == 2 else None


def growthbook_ranges(arms, coverage, weights):
    """GrowthBook's bucket ranges, for comparison only."""
    coverage = min(1, max(0, coverage))
    if weights is None or len(weights) != arms or not 0.99 <= sum(weights) <= 1.01:
        weights = [1 / arms] * arms
    starts = [sum(weights[:i]) for i in range(arms)]
    return [[start, start + coverage * weight] for start, weight in zip(starts, weights, strict=True)]


CHECKS: dict[str, Callable[..., Any]] = {
    "acs_one_sided_bound": acs_bound,
    "acs_over_fixed_halfwidth": lambda n, alpha, planned_n: (
        sequential.half_width(1, n, alpha=alpha, planned_n=planned_n) / two_sided_z(1 - alpha)
    ),
    "acs_two_sample": acs,
    "acs_two_sample_proportion": acs,
    "adjust_pvalues": lambda p, method: (correction.holm if method == "holm" else correction.benjamini_hochberg)(p),
    "aipw_difference": aipw,
    "bernoulli_cs": bernoulli_cs,
    "beta_binomial_log_mixture": beta_binomial,
    "chi2_goodness_of_fit": lambda o, e: divergence.chi2_goodness_of_fit(o, e).p_value,
    "chi2_homogeneity": homogeneity,
    "clopper_pearson": lambda x, n, c: interval(proportions.clopper_pearson(x, n, confidence=c)),
    "clopper_pearson_upper_zero": lambda n, c: proportions.zero_event_upper_bound(n, confidence=c),
    "clustered_se": lambda s, c: {"mean": sum(s) / len(s), "se": means.clustered_se(s, c)},
    "cohen_kappa": kappa,
    "cuped": cuped,
    "exponential_histogram_index": histogram.bucket_index,
    "exponential_histogram_relative_error": histogram.relative_error,
    "fleiss_kappa": agreement.fleiss_kappa,
    "growthbook_bucket_ranges": growthbook_ranges,
    "growthbook_hash": growthbook,
    "hellinger": divergence.hellinger,
    "jensen_shannon_distance": jensen_shannon,
    "krippendorff_alpha": lambda ratings, level: agreement.krippendorff_alpha(ratings, level=level),
    "ks_two_sample": kolmogorov,
    "label_first_crossing_all_tuned": lambda s, a, c: guardrails.bad_units_to_roll_back(s, a, concentration=c),
    "label_log_e": lambda k, m, s, c: guardrails.label_log_e(k, m, s, concentration=c),
    "mcnemar_chi2": mcnemar_chi2,
    "mcnemar_exact": lambda b, c: paired.mcnemar_exact(counts(b, c)),
    "mcnemar_midp": lambda b, c: paired.mcnemar_midp(counts(b, c)),
    "mde_paired_general": lambda n, w, sa, sb, ka, kb, alpha, strength: power.sampled_minimum_detectable_effect(
        n, design(w, sa, sb, ka, kb), alpha=alpha, power=strength
    ),
    "n_non_inferiority_paired": lambda m, d, a, p, t: power.non_inferiority_sample_size(
        m, d, difference=t, alpha=a, power=p
    ),
    "n_paired_general": lambda d, w, sa, sb, ka, kb, alpha, strength: power.sampled_sample_size(
        d, design(w, sa, sb, ka, kb), alpha=alpha, power=strength
    ),
    "n_paired_mcnemar": lambda d, disc, a, p: power.paired_sample_size(d, disc, alpha=a, power=p),
    "n_per_arm_two_proportions": lambda p1, p2, a, p: power.unpaired_sample_size(p1, p2, alpha=a, power=p),
    "n_per_arm_unpooled": lambda p1, p2, a, p: power.unpaired_sample_size(p1, p2, alpha=a, power=p, pooled=False),
    "newcombe_difference": lambda x1, n1, x2, n2, c: interval(
        proportions.newcombe_difference(x1, n1, x2, n2, confidence=c)
    ),
    "normal_mixture_bound": lambda v, alpha, v_opt, alpha_opt, one_sided: sequential.normal_mixture_bound(
        v, planned_variance=v_opt, alpha=alpha, tuning_alpha=alpha_opt, one_sided=one_sided
    ),
    "order_statistic_ranks": order_ranks,
    "power_non_inferiority_paired": lambda n, m, d, a, t: power.non_inferiority_power(n, m, d, difference=t, alpha=a),
    "ppi_mean": ppi,
    "psi": psi,
    "psi_critical": lambda n, m, bins, level: divergence.psi_critical(n, m, bins, level=level),
    "psi_null_mean": divergence.psi_null_mean,
    "quantile_cs": quantile_cs,
    "ratio_metric": ratio,
    "resampling_variance_ratio": variance_ratio,
    "rogan_gladen": rogan_gladen,
    "sha1_bucket": launchdarkly,
    "srm_chi2_pvalue": sample_ratio.chi2_p_value,
    "srm_log_bf": lambda c, p, conc: sample_ratio.log_bayes_factor(c, p, concentration=conc),
    "srm_log_marginals": srm_marginals,
    "stratified_difference": stratified,
    "tango_paired_difference": tango,
    "welch": welch,
    "welch_proportion": welch,
    "wilson": lambda x, n, c: interval(proportions.wilson(x, n, confidence=c)),
    "woodruff_se": woodruff,
}


def assert_close(found, expected, tolerance, path=""):
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert_close(found[key], value, tolerance, f"{path}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for i, value in enumerate(expected):
            assert_close(found[i], value, tolerance, f"{path}[{i}]")
    elif expected is None:
        assert found is None
    else:
        close = math.isclose(found, expected, rel_tol=tolerance.get("rel", 0), abs_tol=tolerance.get("abs", 0))
        assert close, f"{path}: {found!r} is not {expected!r} within {tolerance}"


@pytest.mark.parametrize("name", CASES)
def test_statistic_equals_the_independent_value(name):
    check, tolerance, arguments, expected = CASES[name]
    assert_close(CHECKS[check](*arguments), expected, tolerance)


def test_every_check_has_cases_and_every_table_a_source():
    assert {check for check, *_ in TABLES} == CHECKS.keys()
    assert all(source for _, source, *_ in TABLES)


@pytest.mark.skipif(not SHARED.exists(), reason="the collection of reference values is not beside this checkout")
def test_no_reference_value_is_left_out():
    """Each statistic of the collection is checked here with the same arguments, the same answer, and no more error."""
    mine = {
        (check, json.dumps(arguments)): (expected, tolerance)
        for check, tolerance, arguments, expected in CASES.values()
    }
    for entry in json.loads(SHARED.read_text(encoding="utf-8"))["entries"]:
        if entry["function"] in OTHERS:
            continue
        expected, tolerance = mine[entry["function"], json.dumps(list(entry["inputs"].values()))]
        assert_close(expected, entry["expected"], {"rel": 1e-12})
        assert tolerance == entry["tolerance"], entry["name"]
