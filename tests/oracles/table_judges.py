"""Agreement between raters, and pass rates corrected for a judge's errors."""

_ = None
FOUR_OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
]
FOURTEEN_RATERS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


def times(pattern, n):
    return {"pattern": [int(digit) for digit in pattern], "times": n}


PEOPLE, JUDGE, OTHERS = times("1101110110", 20), times("1101011110", 20), times("1101110111", 200)

TABLES = [
    (
        "cohen_kappa",
        "Wikipedia's first example; standard error after Fleiss, Cohen and Everitt (1969)",
        {"abs": 1e-9},
        [(([[20, 5], [10, 15]],), {"kappa": 0.4, "se": 0.12699606293110033})],
    ),
    ("fleiss_kappa", "Wikipedia's worked example, .210", {"abs": 1e-9}, [((FOURTEEN_RATERS,), 0.20993070442195522)]),
    (
        "krippendorff_alpha",
        "the example of Krippendorff's paper on computing alpha: .743, .815, .849, .797",
        {"abs": 1e-9},
        [
            ((FOUR_OBSERVERS, "nominal"), 0.743421052631579),
            ((FOUR_OBSERVERS, "ordinal"), 0.8153875037548814),
            ((FOUR_OBSERVERS, "interval"), 0.8491071428571428),
            ((FOUR_OBSERVERS, "ratio"), 0.7974027747116121),
        ],
    ),
    (
        "rogan_gladen",
        "the authors' own program to Lee et al., arXiv 2511.21140",
        {"abs": 1e-10},
        [
            (
                (0.4, 0.7, 0.9, 1000, 200, 200, 0.05),
                {"estimate": 0.1666666666666668, "low": 0.05635072484160894, "high": 0.2627330257859588},
            ),
            (
                (0.8, 0.85, 0.9, 500, 100, 100, 0.05),
                {"estimate": 0.8666666666666666, "low": 0.789883116658491, "high": 0.963302024446925},
            ),
        ],
    ),
    (
        "ppi_mean",
        "computed with ppi-python 0.2.3",
        {"abs": 1e-10},
        [
            (
                (PEOPLE, JUDGE, OTHERS, 0, 0.05),
                {"lam": 0, "estimate": 0.7, "low": 0.6364899081898882, "high": 0.7635100918101118},
            ),
            (
                (PEOPLE, JUDGE, OTHERS, 1, 0.05),
                {"lam": 1, "estimate": 0.8, "low": 0.7355890108261824, "high": 0.8644109891738176},
            ),
            (
                (PEOPLE, JUDGE, OTHERS, None, 0.05),
                {
                    "lam": 0.604422788605697,
                    "estimate": 0.7604422788605698,
                    "low": 0.7050770485281722,
                    "high": 0.8158075091929674,
                },
            ),
        ],
    ),
]
