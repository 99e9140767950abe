"""The energy that a machine says it has used: its processors' counters, or a battery's power."""

from __future__ import annotations

import time
from pathlib import Path


class EnergyMeter:
    """Read the energy used so far, in millijoules; `root` holds `sys`.

    Linux shows each processor package's energy below `sys/class/powercap` (RAPL: Running Average
    Power Limit), usually to the administrator alone, and a battery's power below
    `sys/class/power_supply`. Both are the whole machine's, so they include what it takes when idle.
    """

    def __init__(self, root: str | Path = "/") -> None:
        classes = Path(root) / "sys/class"
        packages = sorted((classes / "powercap").glob("intel-rapl:[0-9]*"))
        whole = [
            path for path in packages if path.name.count(":") == 1
        ]  # others are parts of these
        self._packages = [path for path in whole if _number(path / "energy_uj") is not None]
        self._seen_uj = [_number(path / "energy_uj") or 0 for path in self._packages]
        self._used_uj = 0
        supplies = (classes / "power_supply").glob("*")
        self._batteries = [path for path in supplies if drawn_uw(path) is not None]
        self._last_s, self._drawn_mj = time.perf_counter(), 0.0

    def read_mj(self) -> float | None:
        """Return the energy used since the meter was made; None where the machine shows none."""
        if self._packages:
            return self._counted_mj()
        return self._integrated_mj() if self._batteries else None

    def _counted_mj(self) -> float:
        for place, path in enumerate(self._packages):
            now, before = _number(path / "energy_uj") or 0, self._seen_uj[place]
            wraps_at = _number(path / "max_energy_range_uj") or 0
            self._used_uj += now - before if now >= before else now + wraps_at - before
            self._seen_uj[place] = now
        return self._used_uj / 1e3

    def _integrated_mj(self) -> float:
        """Multiply the present power by the time since the last reading."""
        now_s = time.perf_counter()
        used_uw = sum(drawn_uw(path) or 0.0 for path in self._batteries)
        self._drawn_mj += used_uw / 1e3 * (now_s - self._last_s)
        self._last_s = now_s
        return self._drawn_mj


def drawn_uw(supply: Path) -> float | None:
    """Return a discharging battery's power in microwatts."""
    try:
        status = (supply / "status").read_text(encoding="ascii").strip()
    except OSError:
        return None
    if status != "Discharging":
        return None
    power_uw = _number(supply / "power_now")
    if power_uw is not None:
        return float(abs(power_uw))
    current_ua, voltage_uv = _number(supply / "current_now"), _number(supply / "voltage_now")
    if current_ua is None or voltage_uv is None:
        return None
    return abs(current_ua) * voltage_uv / 1e6


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
