"""A device that was set up with other versions than this machine has is refused."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from profiles.transport.versions import check_versions, head_line, pins_of
from runtimes.errors import DeviceError

PINS = [f"numpy=={version('numpy')}", f"tokenizers=={version('tokenizers')}"]


def test_a_script_keeps_what_a_device_was_set_up_with() -> None:
    assert pins_of(head_line(PINS) + 'exec python3 "$@"\n') == PINS
    assert pins_of('exec python3 "$@"\n') == []


@pytest.mark.parametrize("pins", [[], PINS, ["numpy"], ["no-such-package==1.0"]])
def test_the_same_versions_or_unknown_ones_are_taken(pins: list[str]) -> None:
    check_versions("board", pins, action="-")


def test_another_version_is_refused() -> None:
    with pytest.raises(DeviceError) as caught:
        check_versions("board", [*PINS, "onnxruntime==0.9"], action="set it up again")
    here = version("onnxruntime")
    assert caught.value.received == (
        f"board: it was set up with onnxruntime 0.9; this machine has onnxruntime {here}"
    )
    assert "board" not in caught.value.reason
