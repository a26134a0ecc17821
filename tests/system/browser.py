"""A real browser on a running Airflow: what a person sees, fills in and clicks."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

T = TypeVar("T")

PROGRAMS = ("chromium", "chromedriver")
WAIT = 60
"""Seconds that a page may take: Airflow's is seven megabytes of JavaScript, on a machine that does more than this."""
SETTLE = 5
"""Seconds until what was typed is to be seen in its field."""


def need_a_browser() -> None:
    """Skip the test, unless ``JICOO_BROWSER=required`` asks for a browser: fail it then where there is none."""
    if os.environ.get("JICOO_BROWSER") != "required":
        pytest.skip("the tests in a browser take long: JICOO_BROWSER=required runs them")
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if not missing:
        return
    pytest.fail(f"{' and '.join(missing)} not found; on Debian: apt-get install chromium chromium-driver")


class Browser:
    """A headless Chromium that is logged in to a running Airflow.

    Use it as a context manager.

    :param base_url: where Airflow's UI is.
    :param pictures: a folder for :meth:`picture`.
    """

    def __init__(self, base_url: str, pictures: Path) -> None:
        self.base_url = base_url
        self.pictures = pictures
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        # The tests run as root in a container: there is no sandbox of Chromium's then, and no large /dev/shm.
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-proxy-server"):
            options.add_argument(argument)
        options.add_argument("--window-size=1300,1600")
        options.add_argument("--lang=en-US")
        # Named, so that selenium does not look for one to download.
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.driver.quit()

    def open(self, path: str) -> None:
        """Open a page; Airflow's simple auth manager logs everybody in."""
        self.driver.get(f"{self.base_url}{path}")

    def sign_in(self, name: str, password: str) -> None:
        """Sign in as a person does, in the form of the auth manager, which is open."""
        self.fill("input[name=username]", name)
        field = self.one("input[name=password]")
        field.send_keys(password)
        field.send_keys(Keys.ENTER)
        self.until(f"{name} is signed in", lambda: None if "/login" in self.driver.current_url else True)

    def sign_out(self) -> None:
        """Forget who was signed in."""
        self.driver.delete_all_cookies()

    def picture(self, name: str) -> Path:
        """Save what is to be seen now."""
        path = self.pictures / f"{name}.png"
        self.driver.save_screenshot(str(path))
        return path

    def colours(self, theme: str) -> None:
        """Show everything ``light`` or ``dark``, as a person chooses it in Airflow's menu."""
        self.driver.execute_script("localStorage.setItem('theme', arguments[0])", theme)
        self.driver.refresh()

    # Looking

    def until(self, what: str, probe: Callable[[], T | None]) -> T:
        """Wait until a probe finds something; the page may change under it.

        :param what: what we wait for, for the error.
        """
        wait: Any = WebDriverWait(self.driver, WAIT, 0.2, [StaleElementReferenceException])
        try:
            found: T = wait.until(lambda _: probe(), f"{what}; see {self.pictures}")
        except TimeoutException:
            self.picture("failed")
            raise
        return found

    def all(self, selector: str, text: str | None = None, within: WebElement | None = None) -> list[WebElement]:
        """Return the visible elements of a CSS selector, and with this text."""
        found = (within or self.driver).find_elements(By.CSS_SELECTOR, selector)
        return [each for each in found if each.is_displayed() and (text is None or each.text.strip() == text)]

    def one(self, selector: str, text: str | None = None) -> WebElement:
        """Wait for the first visible element of a CSS selector, and with this text."""
        return self.until(f"{selector} {text or ''}", lambda: next(iter(self.all(selector, text)), None))

    def says(self, selector: str, words: str) -> None:
        """Wait until a visible element of a CSS selector has these words: a page is drawn piece by piece.

        :raises TimeoutException: none has them.
        """
        self.until(f"{selector} says {words!r}", lambda: any(words in each.text for each in self.all(selector)) or None)

    # Filling in

    def fill(self, selector: str, value: str) -> None:
        """Write into a field, in place of what is in it, as a person does who pastes it.

        :param value: the text, or a day as 2027-03-16, which is typed.
        """

        def is_taken() -> bool:
            return bool(self.one(selector).get_attribute("value") == value)

        def probe() -> bool | None:
            field = self.one(selector)
            if field.get_attribute("type") == "date":
                year, month, day = value.split("-")
                field.send_keys(month, day, year)
            else:
                field.send_keys(Keys.CONTROL, "a")
                field.send_keys(Keys.DELETE)
                if value:
                    # Not key by key: Airflow draws the form anew at each, and a fast typist loses some.
                    self.driver.execute_cdp_cmd("Input.insertText", {"text": value})
            deadline = time.monotonic() + SETTLE
            while not is_taken() and time.monotonic() < deadline:
                time.sleep(0.1)
            return is_taken() or None

        self.until(f"{selector} takes {value!r}", probe)

    def click(self, selector: str, text: str | None = None) -> None:
        """Click the first visible element of a CSS selector, and with this text, as soon as it can be clicked."""

        def probe() -> bool | None:
            found = self.all(selector, text)
            if not found or not found[0].is_enabled():
                return None
            found[0].click()
            return True

        self.until(f"{selector} {text or ''} can be clicked", probe)

    def choose(self, selector: str, text: str) -> None:
        """Choose from a list that opens when one types into it."""
        field = self.one(selector)
        field.send_keys(text)
        self.until(f"{text} is offered", lambda: next(iter(self.all("[role=option]", text)), None))
        field.send_keys(Keys.ENTER)

    # Connections

    def test_connection(self, name: str) -> bool:
        """Press the Test button of a connection in the list, and return whether its sign turns green."""
        self.open("/connections")
        button = "button[aria-label='Test Connection']"

        def row() -> WebElement | None:
            return next((row for row in self.all("tr") if name in row.text), None)

        def colour() -> str | None:
            (sign,) = self.until(name, row).find_elements(By.CSS_SELECTOR, f"{button} svg")
            return sign.get_attribute("color")

        self.all(button, within=self.until(f"connection {name}", row))[0].click()
        return self.until("the sign of the Test button", colour) == "green"

    # DAGs

    def open_trigger_form(self, dag_id: str) -> None:
        """Open the form that starts a run of a DAG."""
        self.open(f"/dags/{dag_id}")
        self.click("[data-testid=trigger-dag-button], button[aria-label*=Trigger]")
        self.one("[role=dialog] button", "Trigger")

    def can_trigger(self) -> bool:
        """Tell whether the form that is open lets one start the run."""
        return self.one("[role=dialog] button", "Trigger").is_enabled()

    def trigger(self, dag_id: str, **fields: str) -> None:
        """Start a run of a DAG from its form.

        :param fields: what to write into which field, by the names of the params; the others are left as they are.
        """
        self.open_trigger_form(dag_id)
        for name, value in fields.items():
            self.fill(f"[role=dialog] [name=element_{name}]", value)
        self.picture(f"{dag_id} {' '.join(fields)}".strip())
        self.click("[role=dialog] button", "Trigger")
        self.until("the form is closed", lambda: None if self.all("[role=dialog]") else True)

    def answer(self, dag_id: str, run_id: str, option: str) -> str:
        """Answer what a run asks, under its task's Required Actions, and return what was to be read there.

        :param option: how the button begins that is clicked.
        """
        self.open(f"/dags/{dag_id}/runs/{quote(run_id)}/tasks/approve/required_actions")

        def offered() -> WebElement | None:
            return next((each for each in self.all("button") if each.text.strip().startswith(option)), None)

        for theme in ("dark", "light"):
            self.colours(theme)
            button = self.until(f"{option} is offered", offered)
            self.picture(f"{dag_id} asks {theme}")
        asked = self.one("main, #root").text
        button.click()
        self.until("it is answered", lambda: "esponse" in self.one("main, #root").text or None)
        return asked
