"""Means and their differences, clusters, ratios, covariates, strata; sequential intervals of differences."""

BASE = {"sum": 1396.87, "sum_squares": 52377.9767, "n": 3000}
MORE = {**BASE, "n": 3407}
TUNED = {"sum": 2422.7, "sum_squares": 134698.29, "n": 3461}
GBSTATS = "computed with gbstats 0.8.0 of GrowthBook"


def effect(estimate, low, high, p, se=None):
    found = {"estimate": estimate, "low": low, "high": high, "p": p}
    return found if se is None else {"estimate": estimate, "se": se, "low": low, "high": high, "p": p}


def unit(y, tuned, share, m1, m0):
    return {"y": y, "tuned": tuned, "share": share, "m1": m1, "m0": m0}


TABLES = [
    (
        "welch",
        GBSTATS,
        {"abs": 1e-9},
        [
            (
                (MORE, TUNED, "relative", 0.05),
                effect(0.7073170731707317, -0.03526008906611777, 1.449894235407581, 0.06191182745618362),
            ),
            (
                (MORE, TUNED, "absolute", 0.05),
                effect(0.29, 0.04537789255929009, 0.5346221074407098, 0.020158402643587037),
            ),
        ],
    ),
    (
        "welch_proportion",
        GBSTATS,
        {"abs": 1e-9},
        [
            (
                ([14, 28], [16, 30], "relative", 0.05),
                effect(0.06666666666666665, -0.4776740282706785, 0.6110073616040118, 0.8070716832021887),
            )
        ],
    ),
    (
        "acs_two_sample",
        f"{GBSTATS}: its two-sided sequential test, after Waudby-Smith et al., arXiv 2103.06476",
        {"abs": 1e-10},
        [
            (
                (BASE, TUNED, "relative", 0.05, 1000),
                effect(0.5033610858562358, -0.5584405051077315, 1.5651626768202032, 1.0, 0.3334122146400735),
            ),
            (
                (BASE, TUNED, "absolute", 0.05, 5000),
                effect(
                    0.23437666666666668,
                    -0.16011652842982782,
                    0.6288698617631612,
                    0.7601250075467714,
                    0.12983081254184736,
                ),
            ),
        ],
    ),
    (
        "acs_two_sample_proportion",
        f"{GBSTATS}, for shares",
        {"abs": 1e-10},
        [
            (
                ([1396, 3000], [2422, 3461], "relative", 0.05, 5000),
                effect(
                    0.5038633516821496,
                    0.4009784966859415,
                    0.6067482066783577,
                    5.174716682839852e-44,
                    0.033860214798231224,
                ),
            ),
            (
                ([1396, 3000], [2422, 3461], "absolute", 0.05, 5000),
                effect(
                    0.23446441298276027,
                    0.19804879693925878,
                    0.2708800290262618,
                    6.300128463364954e-76,
                    0.011984665588422325,
                ),
            ),
        ],
    ),
    (
        "acs_one_sided_bound",
        "the one-sided sequential tests in GrowthBook's repository, which are younger than gbstats 0.8.0",
        {"abs": 1e-12},
        [
            ((BASE, TUNED, "absolute", 0.05, 5000, "lower"), -0.12656844172804982),
            ((BASE, TUNED, "absolute", 0.05, 5000, "upper"), 0.5953217750613832),
            ((BASE, TUNED, "relative", 0.05, 5000, "lower"), -0.42356454602790883),
        ],
    ),
    (
        "acs_over_fixed_halfwidth",
        "how much wider the sequence is than one look at n, by definition",
        {"abs": 0.0006},
        [
            ((n, alpha, 5000), ratio)
            for alpha, ratios in (
                (0.05, (1.716, 1.573, 1.549, 1.562, 1.609)),
                (0.01, (1.499, 1.403, 1.387, 1.396, 1.427)),
            )
            for n, ratio in zip((1000, 2500, 5000, 10000, 25000), ratios, strict=True)
        ],
    ),
    (
        "clustered_se",
        "Miller's formula without the factor for few clusters; a regression on a constant gives the same",
        {"abs": 1e-10},
        [
            (
                ([1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0], [0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 3, 4, 4, 5]),
                {"mean": 0.625, "se": 0.104231750501},
            )
        ],
    ),
    (
        "cuped",
        "Deng et al. 2013: theta is the slope of a least-squares line",
        {"abs": 1e-10},
        [
            (
                ([2.1, 3.9, 6.2, 7.8, 10.1, 12.2], [1.0, 2, 3, 4, 5, 6]),
                {"theta": 2.02, "adjusted_mean": 7.05, "adjusted_variance": 0.0256},
            )
        ],
    ),
    (
        "ratio_metric",
        "the delta method, which is the variance of x - R y over n times the squared mean of y",
        {"abs": 1e-10},
        [
            (
                ([3, 0, 2, 5, 1, 4, 2, 2], [6, 2, 4, 7, 2, 6, 5, 3]),
                {"ratio": 0.542857142857, "variance": 0.003658666032},
            )
        ],
    ),
    (
        "stratified_difference",
        "weights are inverse variances",
        {"abs": 1e-11},
        [
            (
                ([{"difference": d, "se": se} for d, se in ((0.01, 0.03), (0.03, 0.02), (0.02, 0.01))],),
                {"difference": 0.021020408163, "se": 0.008571428571},
            )
        ],
    ),
    (
        "aipw_difference",
        "worked out from the definition",
        {"abs": 1e-10},
        [
            (
                (
                    [
                        unit(1, 1, 0.05, 0.5, 0.5),
                        unit(0, 0, 0.05, 0.5, 0.5),
                        unit(1, 0, 0.05, 0.5, 0.5),
                        unit(1, 1, 0.2, 0.8, 0.6),
                        unit(0, 0, 0.2, 0.8, 0.6),
                        unit(1, 1, 0.5, 0.7, 0.7),
                        unit(0, 1, 0.5, 0.7, 0.7),
                        unit(1, 0, 0.5, 0.7, 0.7),
                    ],
                ),
                {"difference": 1.34375, "se": 1.275673520429},
            )
        ],
    ),
]
