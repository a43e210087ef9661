"""A server on this machine that speaks the providers' own HTTP, backed by the embedded provider.

For offline work, and for tests of programs that use the providers' SDKs:
`with Emulator() as emulator: openai.OpenAI(base_url=emulator.url, api_key="any")`.
"""

from finetuner.emulator.faults import Fault, Faults
from finetuner.emulator.server import Emulator

__all__ = ["Emulator", "Fault", "Faults"]
