"""Where a run keeps what it measured, and where the page goes."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
KEPT = ROOT / "build" / "bench"
RESULTS = KEPT / "results.json"
INTAKE = KEPT / "intake.json"
REVENUE = KEPT / "revenue.json"
