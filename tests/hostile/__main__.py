"""Carry out every hostile case and print how they ended, by class.

python -m tests.hostile [--kind KIND] [--json FILE]
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from tests.hostile.cases import all_cases
from tests.hostile.ground import make_ground
from tests.hostile.harness import Ended, carry_out


def table(ended: Sequence[Ended]) -> str:
    """Write a line for each class: cases, exit codes, the slowest, and what was wrong."""
    lines = ["| class | cases | exit codes | slowest s | wrong |", "|---|---|---|---|---|"]
    for kind in dict.fromkeys(one.case.kind for one in ended):
        rows = [one for one in ended if one.case.kind == kind]
        codes = Counter(str(one.code) for one in rows)
        said = ", ".join(f"{code}: {count}" for code, count in sorted(codes.items()))
        slowest = max(one.seconds for one in rows)
        wrong = sum(bool(one.wrong) for one in rows)
        lines.append(f"| {kind} | {len(rows)} | {said} | {slowest:.1f} | {wrong} |")
    return "\n".join(lines)


@click.command()
@click.option("--kind", help="Only the cases of this class.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write each case.")
def main(kind: str | None, json_file: Path | None) -> None:
    """Carry out the cases; exit with 1 where one ended wrongly."""
    with tempfile.TemporaryDirectory() as place:
        ground = make_ground(Path(place) / "ground")
        chosen = [case for case in all_cases() if kind in (None, case.kind)]
        ended = []
        for number, case in enumerate(chosen):
            ended.append(carry_out(case, ground, Path(place) / f"case-{number}"))
            if ended[-1].wrong:
                first = (ended[-1].said.strip().splitlines() or [""])[0][:150]
                click.echo(f"{case.id}: {'; '.join(ended[-1].wrong)} ({first!r})", err=True)
    click.echo(table(ended))
    if json_file:
        rows = [
            {"case": one.case.id, "code": one.code, "seconds": one.seconds, "wrong": one.wrong}
            for one in ended
        ]
        json_file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    sys.exit(any(one.wrong for one in ended))


if __name__ == "__main__":
    main()
