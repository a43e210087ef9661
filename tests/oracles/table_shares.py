"""Intervals of shares and of their differences; multiple testing. A row: arguments, and what they must give."""


def ends(low, high):
    return {"low": low, "high": high}


PUBLISHED = {"abs": 5.1e-5}  # four decimals
TEN_P_VALUES = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216]

TABLES = [
    (
        "wilson",
        "four examples tabulated by Newcombe, Statistics in Medicine 17 (1998), p. 857",
        PUBLISHED,
        [
            ((81, 263, 0.95), ends(0.2553, 0.3662)),
            ((15, 148, 0.95), ends(0.0624, 0.1605)),
            ((0, 20, 0.95), ends(0, 0.1611)),
            ((1, 29, 0.95), ends(0.0061, 0.1718)),
        ],
    ),
    (
        "wilson",
        "computed with proportion_confint of statsmodels 0.15",
        {"abs": 1e-9},
        [
            ((189, 200, 0.95), ends(0.9042130012, 0.9690146583)),
            ((945, 1000, 0.95), ends(0.9290916123, 0.9575025726)),
            ((95, 100, 0.95), ends(0.8882495308, 0.9784563208)),
            ((96, 100, 0.95), ends(0.9016292856, 0.984336696)),
            ((94, 100, 0.95), ends(0.8752318455, 0.972213876)),
        ],
    ),
    (
        "clopper_pearson",
        "the exact intervals of the same four examples in Newcombe's paper",
        PUBLISHED,
        [
            ((81, 263, 0.95), ends(0.2527, 0.3676)),
            ((15, 148, 0.95), ends(0.0578, 0.1617)),
            ((0, 20, 0.95), ends(0, 0.1684)),
            ((1, 29, 0.95), ends(0.0009, 0.1776)),
        ],
    ),
    (
        "clopper_pearson_upper_zero",
        "no event in n: 1 - 0.05^(1/n)",
        {"abs": 1e-12},
        [((100, 0.95), 0.029513049607039932)],
    ),
    (
        "newcombe_difference",
        "method 10 in Newcombe's second paper of 1998, same volume, p. 873",
        PUBLISHED,
        [
            ((56, 70, 48, 80, 0.95), ends(0.0524, 0.3339)),
            ((9, 10, 3, 10, 0.95), ends(0.1705, 0.8090)),
            ((6, 7, 2, 7, 0.95), ends(0.0582, 0.8062)),
        ],
    ),
    (
        "adjust_pvalues",
        "computed with multipletests of statsmodels 0.15",
        {"abs": 1e-9},
        [
            ((TEN_P_VALUES, "holm"), [0.01, 0.072, *[0.312] * 5, *[0.615] * 3]),
            ((TEN_P_VALUES, "bh"), [0.01, 0.04, 0.084, 0.084, 0.084, 0.1, 0.105714285714, 0.216, 0.216, 0.216]),
        ],
    ),
]
