"""Fail unless the demonstration ran to its end and kept the teacher's accuracy."""

import json
import sys
from pathlib import Path

folder = Path(sys.argv[1])
report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
summary = report["summary"]
assert report["complete"], "the run did not end"
assert (folder / "report.html").is_file(), "no report.html"
assert (folder / "bundle" / "predict.py").is_file(), "no bundle"
assert 0.8 < summary["teacher"]["accuracy"] < 1.0, summary["teacher"]
assert summary["retention"]["value"] > 0.9, summary["retention"]
assert summary["compression"] > 5, summary["compression"]
print(f"demo: {report['verdicts'][0]['status']}, retention {summary['retention']['value']:.3f}")
