"""Takes the pictures of the README: serves a demo instance, drives Chromium, writes docs/images/.

Pages dashboard, meter, logs, revenue and sign-in, each light and dark, at 1440 and (`-390`) at 390 pixels. The browser
gets a plain sans-serif as its system font, so that the pictures come out alike on every machine.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zoneinfo
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ZONE = "timezone=America/New_York"
PAGES = {
    "dashboard": f"/?meter=miles&{ZONE}&start_date={{quarter}}&end_date={{today}}",
    "meter": f"/meters/miles?{ZONE}&start_date={{quarter}}&end_date={{today}}&breakdown=meta.origin",
    "logs": f"/logs?meter_id=miles&customer_id=UA&min_quantity=1000&{ZONE}",
    "revenue": f"/revenue?currency=USD&group_by=month&{ZONE}&start_date={{year}}&end_date={{today}}",
}
SIZES = {"": (1440, 900), "-390": (390, 844)}
SCHEMES = ("light", "dark")
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <match target="pattern">
    <test name="family" qual="any" compare="not_contains"><string>Mono</string></test>
    <edit name="family" mode="prepend" binding="strong"><string>Inter</string><string>Liberation Sans</string></edit>
  </match>
</fontconfig>
"""
PATIENCE = 120


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--instance", type=Path, help="a demo instance that is there already")
    options.add_argument("--out", type=Path, default=IMAGES, help="where the pictures go")
    given = options.parse_args()
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        sys.exit("screenshots: Chromium is needed (apt-get install chromium).")
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        fonts = Path(scratch, "fonts.conf")
        fonts.write_text(FONTS)
        port = free_port()
        server, email, password = serve(given.instance or Path(scratch, "demo"), port)
        try:
            with sync_playwright() as playwright:
                environment = os.environ | {"FONTCONFIG_FILE": str(fonts), "LANGUAGE": "en_GB"}
                browser = playwright.chromium.launch(
                    executable_path=path, args=["--no-sandbox", "--lang=en-GB"], env=environment
                )
                for size in SIZES:
                    for scheme in SCHEMES:
                        take(browser, f"http://127.0.0.1:{port}", given.out, size, scheme, email, password)
        finally:
            server.terminate()
            server.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def serve(instance: Path, port: int) -> tuple[subprocess.Popen[str], str, str]:
    """Start the demo and give its process and how to sign in."""
    command = [sys.executable, "-m", "fluxrate", "demo", "--instance", str(instance), "--port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for line in server.stdout or ():
        found = re.search(r"Sign in as (\S+) with the password (\S+)", line)
        if found:
            wait_for(port)
            return server, found[1], found[2]
    sys.exit("screenshots: the demo did not say how to sign in.")


def wait_for(port: int) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/sign-in", timeout=5).close()
        except urllib.error.URLError:
            time.sleep(0.2)
        else:
            return
    sys.exit("screenshots: the demo does not answer.")


def take(browser: Browser, address: str, out: Path, size: str, scheme: str, email: str, password: str) -> None:
    """All pages in one size and colour scheme."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        locale="en-GB",
    )
    page = context.new_page()
    page.goto(f"{address}/sign-in")
    shoot(page, out / f"sign-in-{scheme}{size}.png")
    page.fill("#email", email)
    page.fill("#password", password)
    page.click("button[type=submit]")
    page.wait_for_url(f"{address}/")
    today = datetime.datetime.now(zoneinfo.ZoneInfo("America/New_York")).date()
    quarter, year = today - datetime.timedelta(days=89), today.replace(year=today.year - 1, day=1)
    dates = {"today": today, "quarter": quarter, "year": year}
    for name, path in PAGES.items():
        page.goto(address + path.format(**dates))
        shoot(page, out / f"{name}-{scheme}{size}.png")
    context.close()


def shoot(page: Page, file: Path) -> None:
    page.wait_for_load_state("networkidle")
    page.screenshot(path=file)
    shown = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
    print(f"{shown}  {file.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
