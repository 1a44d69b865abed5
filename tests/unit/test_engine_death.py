"""Why an engine died, and what of its log is worth a line."""

import pytest

from tui.model.engine_death import cause, last_words
from tui.model.run_state import EngineDeath

NOISE = (
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "I0000 00:00:1795841359.099497   12565 cudart_stub.cc:31] Could not find cuda drivers on your machine.",
    "E0000 00:00:1795841361.164774   12557 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error",
    "2024-05-01 14:02:03.123456: I tensorflow/core/x.cc:210] This TensorFlow binary is optimized",
    "To enable the following instructions: AVX2 FMA, rebuild TensorFlow.",
    "",
)


def test_known_noise_is_left_out_and_places_too() -> None:
    fatal = "2024-05-01 14:02:03.1: F tensorflow/core/x.cc:1] Check failed: out of memory"
    assert last_words((*NOISE, fatal, fatal, "Killed")) == ["Check failed: out of memory", "Killed"]
    assert last_words(NOISE) == []


@pytest.mark.parametrize(
    ("death", "told"),
    [
        (EngineDeath("", NOISE, "SIGKILL"), "Systems do that where memory runs out"),
        (EngineDeath("", ("F0000 00:00:1.1 2 x.cc:1] Out of memory",), "SIGABRT"), "It ran out of memory"),
        (EngineDeath("", (), "SIGSEGV"), "A library that the engine computes with crashed."),
        (EngineDeath("", ("Traceback (most recent call last):", "  File x", "ValueError: no such shape")),
         "It met ValueError: no such shape"),
        (EngineDeath("", ("keras.errors.SomeError: odd",)), "It met keras.errors.SomeError: odd"),
        (EngineDeath("", ("bye",)), ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_why(death: EngineDeath, told: str) -> None:
    assert cause(death).startswith(told) and bool(cause(death)) == bool(told)
