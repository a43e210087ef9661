"""Drift: how far two samples are apart."""

EVIDENTLY = ([16, 16, 16, 16, 16, 8], [16, 18, 16, 14, 12, 12])
FROUROS = ([7, 30, 55, 95, 99, 102, 65, 34, 10, 3], [11, 32, 58, 97, 114, 82, 59, 34, 10, 3])

TABLES = [
    (
        "psi",
        "500 and 500 normal draws in ten bins, from the tests of frouros",
        {"abs": 1e-8},
        [((*FROUROS, 0, 1e-8), 0.01840072)],
    ),
    ("psi", "the same counts, half a row added to each bin", {"abs": 1e-9}, [((*FROUROS, 0.5, None), 0.0179409448)]),
    (
        "psi_critical",
        "a quantile of chi-square times 1/n + 1/m",
        {"abs": 1e-9},
        [
            ((100, 1000, 10, 0.99), 0.2383259377),
            ((100, 100, 10, 0.99), 0.4333198867),
            ((500, 1000, 10, 0.99), 0.064997983),
            ((1000, 1000, 10, 0.99), 0.0433319887),
            ((100, 1000, 5, 0.99), 0.1460437455),
            ((10000, 10000, 10, 0.99), 0.0043331989),
        ],
    ),
    (
        "psi_null_mean",
        "(bins - 1)(1/n + 1/m)",
        {"abs": 1e-9},
        [
            ((100, 1000, 10), 0.099),
            ((100, 100, 10), 0.18),
            ((500, 1000, 10), 0.027),
            ((1000, 1000, 10), 0.018),
            ((100, 1000, 5), 0.044),
            ((10000, 10000, 10), 0.0018),
        ],
    ),
    ("hellinger", "the same counts in the tests of frouros", {"abs": 1e-8}, [(FROUROS, 0.04792538)]),
    ("hellinger", "the tests of evidently, .06812", {"abs": 1e-9}, [(EVIDENTLY, 0.06812774370983354)]),
    ("jensen_shannon_distance", "computed with scipy", {"abs": 1e-9}, [((*EVIDENTLY, 2), 0.0817342133)]),
    ("chi2_goodness_of_fit", "the tests of evidently, .67309", {"abs": 1e-9}, [(EVIDENTLY, 0.6730876006966301)]),
    (
        "chi2_homogeneity",
        "computed with chi2_contingency of scipy",
        {"abs": 1e-9},
        [(EVIDENTLY, {"statistic": 1.6224089636, "p": 0.8985262394026607})],
    ),
    (
        "ks_two_sample",
        "Kolmogorov's limit: 2 sum (-1)^(k-1) exp(-2 k^2 t^2) at t = sqrt(nm/(n + m)) D",
        {"abs": 1e-8},
        [
            (
                ([1, 2, 2, 3, 5, 8, 9, 12, 13, 20], [2, 4, 6, 7, 9, 10, 14, 15, 21, 22, 25, 30]),
                {"D": 0.4, "p_kolmogorov_limit": 0.34727432},
            )
        ],
    ),
]
