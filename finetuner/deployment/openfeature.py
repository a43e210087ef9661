"""The arm from a feature-flag service instead of buckets, through OpenFeature: LaunchDarkly, GrowthBook, flagd.

Known to this module alone; needs the extra `openfeature`.
"""

from typing import Any, cast

from finetuner._core.extras import require
from finetuner.deployment.snapshot import ArmSource
from finetuner.deployment.state import Arm
from finetuner.errors import UsageError


def flag_arms(client: Any, flag: str) -> ArmSource:
    """What a string flag says: `base` or `tuned`, with the unit as targeting key; give it to a `Router` as `arms`.

    Kill switch, overrides, rollback (share 0) and breaker go before it. A flag that can't be evaluated, or says
    anything else, gets base, unanalyzed. Set the rollout's share to the flag's: the sample-ratio check compares them.

    Args:
        client: An OpenFeature client, with its provider set.
        flag: The flag's key.

    Raises:
        MissingExtraError: OpenFeature's SDK isn't installed.
    """
    contexts = require("openfeature.evaluation_context", extra="openfeature", feature="An arm from OpenFeature")

    def arm(unit: str) -> Arm:
        details = client.get_string_details(flag, "base", contexts.EvaluationContext(targeting_key=unit))
        if details.error_code is not None:
            raise UsageError(f"flag {flag}: {details.error_message or details.error_code}")
        return cast("Arm", details.value)

    return arm
