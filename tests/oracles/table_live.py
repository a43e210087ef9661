"""Live traffic: sequences valid at every look, guardrails, sample ratios, buckets of units, histograms."""

CONFSEQ = "computed with confseq 0.0.11, after Howard, Ramdas, McAuliffe and Sekhon (2021)"
OTEL = "OpenTelemetry's rule: bucket i holds (base^i, base^(i+1)], base = 2^(2^-scale)"
GROWTHBOOK = "cases.json of GrowthBook's specification for SDKs, version 5"
LAUNCHDARKLY = "computed with launchdarkly-server-sdk 9.18.2, whose tests publish the same"
HALVES, THREE = [0.5, 0.5], [0.4, 0.4, 0.2]
WHOLE = [[0, 0.5], [0.5, 1]]
QUARTERS = [[0, 0.25], [0.25, 0.5], [0.5, 0.75], [0.75, 1]]


def ends(low, high):
    return {"low": low, "high": high}


def ranks(lower, upper, coverage):
    return {"lower_rank": lower, "upper_rank": upper, "coverage": coverage}


def counted(low, high, smallest, largest):
    return {"low": low, "high": high, "smallest_kept_count": smallest, "largest_kept_count": largest}


def marginals(log_m1, log_m0, log_bf):
    return {"log_m1": log_m1, "log_m0": log_m0, "log_bf": log_bf}


TABLES = [
    (
        "bernoulli_cs",
        CONFSEQ,
        {"abs": 1e-9},
        [
            ((40, 100, 0.05, 100, 0.05), ends(0.25903489171269045, 0.5516312574386575)),
            ((945, 1000, 0.05, 1000, 0.05), ends(0.9206586119553891, 0.9644846174949634)),
            ((5, 1000, 0.05, 1000, 0.05), ends(0.0006280297513268351, 0.01467691174184356)),
            ((0, 200, 0.05, 200, 0.05), ends(0.0, 0.020308927590932058)),
        ],
    ),
    (
        "beta_binomial_log_mixture",
        CONFSEQ,
        {"abs": 1e-9},
        [
            ((10, 24, 24, 0.4, 0.6, 0.05, False), 0.659031268475692),
            ((20, 47.5, 47.5, 0.95, 0.05, 0.05, False), 3.359676263837059),
            ((5, 250, 25, 0.5, 0.5, 0.05, False), -2.205918574691598),
        ],
    ),
    (
        "normal_mixture_bound",
        CONFSEQ,
        {"rel": 1e-11},
        [
            ((100, 0.05, 100, 0.05, False), 30.35208990376253),
            ((1000, 0.05, 100, 0.05, False), 102.51228683166386),
            ((5000, 0.05, 5000, 0.05, False), 214.6216859413423),
            ((6461, 0.05, 1000, 0.05, False), 255.98336043186393),
            ((10000, 0.01, 5000, 0.01, False), 359.56047991328745),
        ],
    ),
    (
        "normal_mixture_bound",
        f"{CONFSEQ}; one-sided",
        {"rel": 1e-10},
        [
            ((100, 0.05, 100, 0.05, True), 27.660708830694603),
            ((1000, 0.05, 100, 0.05, True), 94.39391616939474),
            ((5000, 0.05, 5000, 0.05, True), 195.5907478658503),
            ((10000, 0.01, 5000, 0.01, True), 337.8326981564328),
        ],
    ),
    (
        "quantile_cs",
        "worked out from the definition on the numbers 1 to 1,000",
        {"abs": 0},
        [
            (({"range": [1, 1000]}, 0.5, 0.05, 1000), counted(453, 548, 453, 547)),
            (({"range": [1, 1000]}, 0.95, 0.05, 1000), counted(928, 970, 928, 969)),
        ],
    ),
    (
        "order_statistic_ranks",
        "binomial: ranks from 1, the interval goes from x_(l) to x_(u) and covers P(l <= N <= u - 1)",
        {"abs": 1e-5},
        [
            ((100, 0.5, 0.95), ranks(40, 61, 0.9648)),
            ((100, 0.95, 0.95), ranks(90, 100, 0.9826)),
            ((500, 0.95, 0.95), ranks(465, 485, 0.9605)),
            ((1000, 0.95, 0.95), ranks(936, 964, 0.9581)),
        ],
    ),
    (
        "woodruff_se",
        "Woodruff 1952, with the quantile x_(ceil(q n))",
        {"abs": 1e-8},
        [
            (
                ("(i*7919)%1000 + 1 for i in 0..999 (a permutation of 1..1000)", 0.95, 0.95),
                {"quantile": 950, "se": 6.887881668},
            )
        ],
    ),
    (
        "label_first_crossing_all_tuned",
        "worked out: how many bad events, all of the tuned model, it takes",
        {"abs": 0},
        [
            ((share, alpha, 20), n)
            for alpha, row in ((0.01, (4, 6, 10, 19)), (0.005, (4, 6, 11, 21)))
            for share, n in zip((0.01, 0.05, 0.2, 0.5), row, strict=True)
        ],
    ),
    (
        "label_log_e",
        "worked out from the definition",
        {"abs": 2e-8},
        [
            ((1, 1, 0.05, 20), 0.0),
            ((5, 5, 0.05, 20), 4.3213079),
            ((6, 6, 0.05, 20), 5.889923818),
            ((19, 19, 0.5, 20), 4.62939766),
            ((18, 19, 0.5, 20), 3.599778243),
            ((12, 60, 0.05, 20), 5.583662732),
            ((3, 60, 0.05, 20), -0.753582392),
            ((30, 40, 0.5, 20), 2.899932036),
            ((400, 700, 0.5, 20), 5.172786406),
        ],
    ),
    (
        "srm_log_bf",
        "worked out from the definition; the alarm is at ln 1000 = 6.907755",
        {"abs": 2e-6},
        [
            (([821588, 815482], HALVES, 10000), 8.7659723),
            (([5000, 5200], HALVES, 10000), 0.6386028),
            (([500, 9500], [0.05, 0.95], 10000), -0.3466571),
            (([600, 9400], [0.05, 0.95], 10000), 4.7131373),
        ],
    ),
    (
        "srm_log_marginals",
        "data of the unit tests of ssrm-test 0.1.5 (Lindon and Malek 2022)",
        {"abs": 1e-9},
        [
            (
                ([[20, 17, 9], [18, 21, 8], [4, 6, 4], [18, 19, 11]], THREE, [1, 1, 1]),
                marginals(-19.96484521090386, -15.781031228536165, -4.183813982367695),
            ),
            (
                ([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], THREE, [1, 1, 1]),
                marginals(-6.4457198193855785, -5.27460083993072, -1.1711189794548584),
            ),
        ],
    ),
    (
        "srm_chi2_pvalue",
        "chi-square as GrowthBook's tests have it; the first pair is in Kohavi, Tang and Xu's book (2020)",
        {"rel": 1e-9},
        [
            (([821588, 815482], HALVES), 1.8217928726191858e-06),
            (([310, 195, 195], [0.5, 0.25, 0.25]), 0.010343173196618252),
            (([1000, 1100], HALVES), 0.029096331741252267),
        ],
    ),
    (
        "sha1_bucket",
        LAUNCHDARKLY,
        {"abs": 1e-15},
        [
            (("hashKey", "saltyA", f"userKey{letter}", seed), bucket)
            for seed, row in (
                (None, (0.4215758743392494, 0.6708484965703435, 0.1034310617276969)),
                (61, (0.0980120652476667, 0.1448377737757314, 0.9242640945125551)),
            )
            for letter, bucket in zip("ABC", row, strict=True)
        ],
    ),
    (
        "growthbook_hash",
        GROWTHBOOK,
        {"abs": 1e-12},
        [
            (("", "a", 1), 0.22),
            (("", "b", 1), 0.077),
            (("b", "a", 1), 0.946),
            (("ef", "d", 1), 0.652),
            (("asdf", "8952klfjas09ujk", 1), 0.549),
            (("", "123", 1), 0.011),
            (("", '___)((*":&', 1), 0.563),
            (("seed", "a", 2), 0.0505),
            (("seed", "b", 2), 0.2696),
            (("foo", "ab", 2), 0.2575),
            (("foo", "def", 2), 0.2019),
            (("89123klj", "8952klfjas09ujkasdf", 2), 0.124),
            (("90850943850283058242805", "123", 2), 0.7516),
            (("()**(%$##$%#$#", '___)((*":&', 2), 0.0128),
            (("abc", "def", 99), None),
        ],
    ),
    (
        "growthbook_bucket_ranges",
        GROWTHBOOK,
        {"abs": 1e-9},
        [
            ((2, 1, None), WHOLE),
            ((2, 0.5, None), [[0, 0.25], [0.5, 0.75]]),
            ((2, 0, None), [[0, 0], [0.5, 0.5]]),
            ((4, 1, None), QUARTERS),
            ((2, 1, [0.4, 0.6]), [[0, 0.4], [0.4, 1]]),
            ((3, 1, [0.2, 0.3, 0.5]), [[0, 0.2], [0.2, 0.5], [0.5, 1]]),
            ((3, 0.2, [0.2, 0.3, 0.5]), [[0, 0.04], [0.2, 0.26], [0.5, 0.6]]),
            ((2, -0.2, None), [[0, 0], [0.5, 0.5]]),
            ((2, 1.5, None), WHOLE),
            ((2, 1, [0.4, 0.1]), WHOLE),
            ((2, 1, [0.7, 0.6]), WHOLE),
            ((4, 1, [0.4, 0.4, 0.2]), QUARTERS),
            ((2, 1, [0.4, 0.5999]), [[0, 0.4], [0.4, 0.9999]]),
        ],
    ),
    (
        "exponential_histogram_index",
        OTEL,
        {"abs": 0},
        [
            ((1.0, 0), -1),
            ((2.0, 0), 0),
            ((2.1, 0), 1),
            ((4.0, 0), 1),
            ((0.5, 0), -2),
            ((1.0, 6), -1),
            ((1.5, 6), 37),
            ((1000.0, 6), 637),
            ((0.25, 6), -129),
        ],
    ),
    (
        "exponential_histogram_relative_error",
        f"{OTEL}: (base - 1)/(base + 1)",
        {"abs": 1e-12},
        [((6,), 0.005415159415902577)],
    ),
]
