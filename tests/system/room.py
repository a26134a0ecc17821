"""Our pages in a browser, within Airflow's or by themselves, as a person looks at them and presses what is there."""

from __future__ import annotations

import time

from selenium.webdriver.common.keys import Keys

from tests.system.browser import Browser

PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}


class Pages:
    """A browser that looks at our pages, within Airflow's or by themselves."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.driver = browser.driver

    def within(self, path: str) -> None:
        """Open a page of Airflow's, and look into the frame that it shows of ours."""
        self.driver.switch_to.default_content()
        self.browser.open(path)
        self.enter()

    def enter(self) -> None:
        frame = self.browser.one("iframe")
        self.driver.switch_to.frame(frame)
        self.browser.one("h1")

    def theme(self, theme: str) -> None:
        """Choose light or dark in Airflow's menu, as its UI keeps it."""
        self.driver.switch_to.default_content()
        self.driver.execute_script("localStorage.setItem('theme', arguments[0])", theme)

    def picture(self, name: str) -> None:
        time.sleep(1)  # a picture is no proof: what moves comes to rest
        self.browser.picture(name)

    def phone(self, on: bool) -> None:
        if on:
            self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
        else:
            self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def tall(self, on: bool) -> None:
        """Let a picture show the whole page."""
        if not on:
            self.phone(False)
            return
        height = min(6000, int(self.driver.execute_script("return document.documentElement.scrollHeight")))
        width = int(self.driver.execute_script("return document.documentElement.clientWidth"))
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than its window."""
        script = "const e = document.documentElement; return e.scrollWidth - e.clientWidth"
        return int(self.driver.execute_script(script))

    def background(self) -> str:
        return str(self.driver.execute_script("return getComputedStyle(document.body).backgroundColor"))

    def press(self, selector: str, sure: bool = True) -> None:
        """Press a button by keyboard, and answer whether one is sure."""
        button = self.browser.one(selector)
        button.send_keys(Keys.ENTER)
        self.browser.one("dialog[open] #question")
        self.browser.one(f"dialog[open] button[value={'yes' if sure else 'no'}]").send_keys(Keys.ENTER)

    def problems(self) -> list[str]:
        """Return what the browser has complained of: our policy, or an error of a script of ours."""
        found = [each["message"] for each in self.driver.get_log("browser")]
        # That of the frame is Airflow's, which gives it both.
        ours = [each for each in found if "/jicoo/" in each and "can escape its sandboxing" not in each]
        return [*ours, *(each for each in found if "Content Security Policy" in each and each not in ours)]
