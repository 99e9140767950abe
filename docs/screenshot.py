"""Photograph a report for the README: `python docs/screenshot.py RUN docs/report.png`.

Needs Chromium and pngquant (Debian: `apt-get install chromium pngquant`); a report needs neither.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

from compress.report import html
from compress.report.stored import read_report

MOST_BYTES = 150_000
_QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--disable-lcd-text"),
)


def shoot(run: Path, picture: Path, *, width: int, height: int, browser: str) -> None:
    """Render the run's report and photograph the top of the page, in CSS pixels."""
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(scratch) / "report.html"
        page.write_text(html.render(read_report(run)), encoding="utf-8")
        command = [
            *(browser, *_QUIET, f"--user-data-dir={scratch}/browser"),
            *(f"--window-size={width},{height}", f"--screenshot={picture.absolute()}"),
            page.as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    shrink = ["pngquant", "--force", "--strip", "--output", str(picture), "128", str(picture)]
    subprocess.run(shrink, check=True, timeout=60)


def main() -> None:
    """Read the command line, take the picture, and refuse one that is too large for a README."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="a run's folder, or its report.json")
    parser.add_argument("picture", type=Path, help="the PNG to write")
    parser.add_argument("--width", type=int, default=1000)
    parser.add_argument("--height", type=int, default=1260)
    parser.add_argument("--browser", default="chromium")
    asked = parser.parse_args()
    shoot(asked.run, asked.picture, width=asked.width, height=asked.height, browser=asked.browser)
    size = asked.picture.stat().st_size
    print(f"{asked.picture}: {size:,} bytes")
    if size > MOST_BYTES:
        parser.exit(1, f"over {MOST_BYTES:,} bytes: lower --height or --width\n")


if __name__ == "__main__":
    main()
