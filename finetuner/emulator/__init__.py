"""A server on this machine that speaks the providers' own HTTP, backed by the embedded provider.

For offline work, and for tests of programs that use the providers' SDKs:
`with Emulator() as emulator: openai.OpenAI(base_url=emulator.url, api_key="any")`.
"""

from finetuner._core.extras import require

for _module in ("starlette", "uvicorn", "python_multipart"):
    require(_module, extra="web", feature="the emulator")

from finetuner.emulator.faults import Fault, Faults  # noqa: E402  # the extra is asked for first
from finetuner.emulator.server import Emulator  # noqa: E402  # likewise

__all__ = ["Emulator", "Fault", "Faults"]
