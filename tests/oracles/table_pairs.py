"""Two models on the same rows: Tango's interval, McNemar's tests, and how many rows it takes."""

THIRD, SIXTH = 0.1111111111111111, 0.16666666666666666
NOISE = (THIRD, SIXTH, SIXTH)


def tango(low, high, one_sided_low, one_sided_high):
    return {"low": low, "high": high, "one_sided_low": one_sided_low, "one_sided_high": one_sided_high}


TABLES = [
    (
        "tango_paired_difference",
        "Tango, Statistics in Medicine 17 (1998), p. 891; confirmed by maximizing the likelihood directly",
        {"abs": 2e-8},
        [
            ((12, 5, 100, 0.05), tango(-0.01186321, 0.157415606, 0.002337075, 0.142046615)),
            ((0, 0, 100, 0.05), tango(-0.036993498, 0.036993498, -0.026342721, 0.026342721)),
            ((1, 9, 100, 0.05), tango(-0.154077761, -0.022648505, -0.140150514, -0.033065904)),
            ((10, 10, 1319, 0.05), tango(-0.00723447, 0.00723447, -0.005930052, 0.005930052)),
            ((30, 60, 1319, 0.05), tango(-0.037396249, -0.008835279, -0.034935743, -0.011083648)),
            ((1, 0, 44, 0.05), tango(-0.059393231, 0.118077097, -0.036516938, 0.095662426)),
        ],
    ),
    (
        "mcnemar_chi2",
        "approval ratings of 1,600 people asked twice, in Agresti's Categorical Data Analysis",
        {"rel": 1e-9},
        [(([[794, 86], [150, 570]], False), {"statistic": 17.35593220338983, "p": 3.099293441045215e-05})],
    ),
    ("mcnemar_exact", "the same people", {"rel": 1e-10}, [((86, 150), 3.715936139571387e-05)]),
    (
        "mcnemar_exact",
        "counted out from the binomial distribution",
        {"rel": 1e-10},
        [((1, 9), 22 / 1024), ((5, 15), 0.04138946533203125)],
    ),
    (
        "mcnemar_midp",
        "the exact value less the probability of the observed split",
        {"rel": 1e-10},
        [((1, 9), 12 / 1024), ((5, 15), 0.02660369873046875)],
    ),
    (
        "n_paired_mcnemar",
        "Connor, Biometrics 43 (1987), p. 207",
        {"abs": 0},
        [
            ((effect, disagreement, 0.05, 0.8), n)
            for effect, row in (
                (0.01, (3923, 7847, 15696)),
                (0.02, (979, 1960, 3923)),
                (0.03, (434, 870, 1742)),
                (0.05, (155, 312, 626)),
            )
            for disagreement, n in zip((0.05, 0.1, 0.2), row, strict=True)
        ],
    ),
    (
        "n_non_inferiority_paired",
        "the normal approximation, worked out",
        {"abs": 0},
        [
            ((0.05, 0.1, 0.05, 0.8, 0), 248),
            ((0.05, 0.2, 0.05, 0.8, 0), 495),
            ((0.02, 0.1, 0.05, 0.8, 0), 1546),
            ((0.02, 0.2, 0.05, 0.8, 0), 3092),
        ],
    ),
    (
        "power_non_inferiority_paired",
        "the same, turned around; three decimals",
        {"abs": 0.001},
        [
            ((100, 0.05, 0.1, 0.05, 0), 0.474),
            ((100, 0.05, 0.16, 0.05, 0), 0.346),
            ((200, 0.05, 0.1, 0.05, 0), 0.723),
            ((200, 0.05, 0.16, 0.05, 0), 0.549),
            ((500, 0.05, 0.1, 0.05, 0), 0.971),
            ((500, 0.05, 0.16, 0.05, 0), 0.875),
            ((1319, 0.05, 0.16, 0.05, 0), 0.998),
        ],
    ),
    (
        "n_per_arm_two_proportions",
        "two independent shares with pooled variance, as in Fleiss's textbook",
        {"abs": 0},
        [
            ((0.9, 0.91, 0.05, 0.8), 13495),
            ((0.9, 0.92, 0.05, 0.8), 3213),
            ((0.9, 0.93, 0.05, 0.8), 1356),
            ((0.9, 0.95, 0.05, 0.8), 435),
            ((0.78, 0.79, 0.05, 0.8), 26493),
            ((0.78, 0.8, 0.05, 0.8), 6510),
            ((0.78, 0.81, 0.05, 0.8), 2842),
            ((0.78, 0.83, 0.05, 0.8), 985),
        ],
    ),
    (
        "n_per_arm_unpooled",
        "two independent shares, each with its own variance",
        {"abs": 0},
        [((0.8, 0.82, 0.05, 0.8), 6036), ((0.01, 0.015, 0.05, 0.8), 7747)],
    ),
    ("n_per_arm_unpooled", "what evalci 0.1.0 gives at worst", {"abs": 0}, [((0.5, 0.53, 0.05, 0.8), 4353)]),
    (
        "n_paired_general",
        "a worked example of Miller's *Adding error bars to evals* (arXiv 2411.00640): no noise within items",
        {"abs": 0.5},
        [((0.03, *NOISE, None, None, 0.05, 0.8), 969)],
    ),
    (
        "n_paired_general",
        "its formula, with one and with ten samples for each item",
        {"abs": 0.01},
        [((0.03, *NOISE, 1, 1, 0.05, 0.8), 3875.99), ((0.03, *NOISE, 10, 10, 0.05, 0.8), 1259.70)],
    ),
    (
        "mde_paired_general",
        "worked examples of the same paper, three decimals",
        {"abs": 0.0005},
        [((198, *NOISE, 1, 1, 0.05, 0.8), 0.133), ((198, *NOISE, 10, 10, 0.05, 0.8), 0.076)],
    ),
    (
        "resampling_variance_ratio",
        "the same paper: difficulties spread evenly over 0..1",
        {"abs": 1e-12},
        [((2, "Uniform(0,1)"), 2 / 3), ((4, "Uniform(0,1)"), 1 / 2)],
    ),
]
