"""Statistics of an evaluation: pure functions of counts and scores, seeded where they draw.

`estimate`: a value with its interval. `proportions`: one share, or two independent ones. `paired`: both models on
the same items. `means`: averages, their differences, clusters. `resampling`: bootstrap and permutation for any score.
`power`: how many items are needed, what they can detect. `agreement`: people and judges. `judged`: estimates
corrected for an imperfect judge. `correction`: several tests at once. `special`: distributions. `domain`: input checks.

What stays valid under continuous looking at live traffic is in `finetuner.deployment`.
"""
