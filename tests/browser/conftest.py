"""A real browser against a real server: Chromium through Playwright, the application on a free port of loopback."""

from __future__ import annotations

import shutil
import subprocess
import threading

import pytest
from playwright._impl._driver import compute_driver_executable
from playwright.sync_api import Error, expect, sync_playwright
from werkzeug.serving import make_server

from tests.needs import need
from tests.web.conftest import EMAIL, HOUR, PASSWORD, instance_in

CUSTOMERS = (("UA", "United Air Lines"), ("B6", "JetBlue Airways"), ("DL", "Delta Air Lines"))
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
# How long a page may take on a machine that is busy with the other tests; no test waits that long for what is there.
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def chromium():
    """One browser for all tests."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    need(path, "The browser tests need Chromium: apt-get install chromium.")
    # The driver dies without a word of its own where a library is missing, as on a Debian with nothing but Python.
    driver = subprocess.run([compute_driver_executable()[0], "--version"], capture_output=True, text=True, check=False)
    need(
        driver.returncode == 0,
        f"The browser tests need a library for Playwright: apt-get install libatomic1 ({driver.stderr.strip()}).",
    )
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except Error as error:
            need(False, f"Chromium at {path} does not start: {error.message.splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    """The root URL of an application that all tests read."""
    yield from served(tmp_path_factory.mktemp("browser"))


def served(folder):
    """An application with 90 events of three customers on two meters, while it is served: its root URL."""
    instance = instance_in(folder)
    miles = instance.meter("miles", "Miles flown", unit="miles")
    flights = instance.meter("flights", "Flights", unit="flights", aggregation_type="COUNT")
    for place, (ref, name) in enumerate(CUSTOMERS):
        customer = instance.customer(ref, name)
        for i in range(20):
            instance.send(
                miles, customer, 100 * (i + 1), ago=(3 * i + place + 1) * HOUR, key=f"{ref}-{i}", origin="JFK"
            )
        for i in range(10):
            instance.send(flights, customer, 1, ago=(5 * i + place + 1) * HOUR)
    yield from serving(instance)


def serving(instance):
    """The root URL of the instance while it is served."""
    server = make_server("127.0.0.1", 0, instance.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    instance.services.close()


@pytest.fixture
def messages():
    """What console and policy said; a test that expects some clears it."""
    return []


@pytest.fixture
def open_page(chromium, address, messages):
    """A function that opens a signed-in page; at the end of the test no message of console or policy may have come."""
    contexts = []

    def opened(**options):
        context = chromium.new_context(base_url=address, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.goto("/sign-in")
        page.fill("input[name=email]", EMAIL)
        page.fill("input[name=password]", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_url(f"{address}/")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert messages == []
