"""Chromium on the page: signed in, watched. What the console calls an error, or the CSP blocks, fails the test.

with chromium() as browser, watched(browser, site, "ann") as page: ...
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from annotate_site import Site
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--disable-quic",
)  # fmt: skip
AXE = Path(__file__).resolve().parents[2] / "ui" / "node_modules" / "axe-core" / "axe.min.js"
# What the browser itself writes of an answer that the page handles: offline, expired login, conflict, refused payload.
HANDLED = ("net::ERR_INTERNET_DISCONNECTED", "status of 401", "status of 409", "status of 412", "status of 422")
OWN = "willReadFrequently"  # what reading the canvas in these tests brings about
WATCH = """
if (location.protocol === "http:") localStorage.setItem("perceptlm-annotate-been-here", "yes");
window.blocked = [];
document.addEventListener("securitypolicyviolation", (event) => window.blocked.push(event.violatedDirective));
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


class Watch:
    """Everything that a page complained about."""

    def __init__(self, handled: tuple[str, ...] = ()) -> None:
        self.handled = (*HANDLED, *handled)
        self.problems: list[str] = []
        self.pages: list[Page] = []

    def add(self, page: Page) -> Page:
        """Watch a page."""
        page.set_default_timeout(15_000)
        page.on("console", self._heard)
        page.on("pageerror", self._failed)
        self.pages.append(page)
        return page

    def leave(self, page: Page) -> None:
        """Watch a page no more."""
        page.remove_listener("console", self._heard)
        page.remove_listener("pageerror", self._failed)
        self.pages.remove(page)

    def found(self) -> list[str]:
        """Return the complaints, with what the CSP blocked."""
        blocked = [f"CSP: {name}" for page in self.pages if not page.is_closed() for name in page.evaluate("blocked")]
        return [*self.problems, *blocked]

    def _failed(self, error: Error) -> None:
        self.problems.append(str(error))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(words in message.text for words in (*self.handled, OWN)):
            self.problems.append(message.text)


def _new_context(browser: Browser, name: str | None, options: dict[str, Any]) -> BrowserContext:
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 760}, **options})
    context.add_init_script(WATCH if name else WATCH.split(";", 1)[1])
    return context


@contextmanager
def context_of(
    browser: Browser, site: Site, name: str | None, **options: Any
) -> Iterator[tuple[BrowserContext, Watch]]:
    """A browser of somebody's own, signed in unless `name` is None; the watch is read when it ends."""
    context = _new_context(browser, name, options)
    if name:
        sign_in(context, site, name)
    watch = Watch()
    yield context, watch
    problems = watch.found()
    context.close()
    assert not problems, "\n".join(problems)


_KEPT: WeakKeyDictionary[Browser, dict[str, Page]] = WeakKeyDictionary()


@contextmanager
def watched(
    browser: Browser, site: Site, name: str | None, path: str = "/", *, handled: tuple[str, ...] = (), **options: Any
) -> Iterator[Page]:
    """One page in somebody's browser, which is theirs in later tests too: a new one takes a second to come up.

    One that failed a test is not used again. What holds words of `handled` is no complaint.
    """
    kept, key = _KEPT.setdefault(browser, {}), f"{name} {options}"
    page = kept.pop(key, None) or _new_context(browser, name, options).new_page()
    if name:
        sign_in(page.context, site, name)
    watch = Watch(handled)
    watch.add(page)
    page.goto(site.url + path)
    yield page
    problems = watch.found()
    watch.leave(page)
    assert not problems, "\n".join(problems)
    if name:
        page.goto("about:blank")
        kept[key] = page
    else:
        page.context.close()


def sign_in(context: BrowserContext, site: Site, name: str) -> None:
    """Give a browser somebody's session."""
    cookies = site.as_person(name).cookies.items()
    context.add_cookies([{"name": key, "value": value, "url": site.url} for key, value in cookies])


def shown_frame(page: Page, number: int) -> None:
    """Wait until the canvas shows a frame."""
    page.wait_for_selector(f"canvas[data-frame='{number}']")


def canvas_picture(page: Page) -> NDArray[np.uint8]:
    """Return the picture (H, W, 3) on the canvas, without the ground around it."""
    width, height, pixels = page.evaluate(
        """() => {
            const canvas = document.querySelector("canvas");
            const [scale, x, y] = canvas.dataset.view.split(" ").map(Number);
            const [w, h] = [canvas.width - 2 * x, canvas.height - 2 * y].map(Math.floor);
            const data = canvas.getContext("2d").getImageData(Math.ceil(x), Math.ceil(y), w, h).data;
            let text = "";
            for (let i = 0; i < data.length; i += 4) text += String.fromCharCode(data[i]);
            return [w, h, text];
        }"""
    )
    grey = np.frombuffer(pixels.encode("latin-1"), np.uint8).reshape(height, width)
    return np.repeat(grey[..., None], 3, axis=2)


# What depends on the colours; the rest is the same in both and is looked at once.
COLOURS: dict[str, Any] = {"light": {}, "dark": {"runOnly": ["color-contrast", "link-in-text-block"]}}


def accessible(page: Page) -> None:
    """Fail with what axe finds on the page as it is, in light and in dark."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found = []
    for colours, options in COLOURS.items():
        page.emulate_media(color_scheme=colours, reduced_motion="reduce")
        rules = page.evaluate("(options) => axe.run(document, options)", {"resultTypes": ["violations"], **options})
        found += [
            f"{colours}, {rule['id']}: {node['html'][:160]} {node['any'][0]['message'][:160] if node['any'] else ''}"
            for rule in rules["violations"]
            for node in rule["nodes"]
        ]
    assert not found, "\n".join(found)


def press(page: Page, *keys: str) -> None:
    """Press keys, one after the other."""
    for key in keys:
        page.keyboard.press(key)


def tab_to(page: Page, name: str) -> None:
    """Go on with Tab, as somebody without a pointer, until what has the focus is called this."""
    called = """() => {
        const { ariaLabel, textContent, labels } = document.activeElement;
        return ariaLabel ?? labels?.[0]?.textContent.trim() ?? textContent.trim();
    }"""
    seen = []
    for _ in range(40):
        press(page, "Tab")
        seen.append(page.evaluate(called))
        if seen[-1].startswith(name):
            return
    raise AssertionError(f"Tab never comes to '{name}', but to {seen}")


def at_step(page: Page, title: str) -> None:
    """Wait until a step has begun and taken the focus."""
    page.wait_for_function("(title) => document.activeElement?.textContent === title", arg=title)
