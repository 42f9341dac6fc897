"""A tab with the chat page in Chromium, as a person uses it."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.browser import Page
from tests.e2e.events import WAIT_SECONDS

WAIT = {"timeout": WAIT_SECONDS * 1000}

# playwright's waitForFunction would evaluate text within the page, which the page's policy refuses.
UNTIL = """
  new Promise((resolve, reject) => {
    const values = %s;
    const holds = () => %s;
    const check = () => holds() && (observer.disconnect(), resolve(true));
    const observer = new MutationObserver(check);
    observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
    setTimeout(() => reject(new Error("never held: " + %s)), WAIT);
    check();
  })
""".replace("WAIT", str(int(WAIT_SECONDS * 1000)))


class Tab:
    """One tab with the chat page, of one user, in a browser profile of its own."""

    def __init__(self, page: Page, user: str) -> None:
        self.page = page
        self.user = user

    async def connected(self) -> None:
        """Wait until the page is connected and has what it missed."""
        await self.sees('.status[data-state="connected"]')

    async def sees(self, selector: str) -> None:
        """Wait until an element is visible; playwright's selectors."""
        await self.page.do("waitForSelector", selector, WAIT)

    async def until(self, condition: str, *values: object) -> None:
        """Wait until a JavaScript condition on the document holds; `values` can be used in it."""
        await self.evaluate(UNTIL % (json.dumps(values), condition, json.dumps(condition)))

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        return await self.page.do("evaluate", expression)

    async def start_chat(self, user: str) -> None:
        """Open a chat by the other's id."""
        await self.page.do("click", "button[title='New chat']")
        await self.page.do("fill", "#other-id", user)
        await self.page.do("press", "#other-id", "Enter")
        await self.sees(f".thread .status:text-is('{user}')")

    async def open_chat(self, name: str) -> None:
        """Open the chat with this nickname from the list."""
        await self.page.do("bringToFront")
        await self.page.do("click", f".conversation:has-text('{name}')")

    async def ask_friend(self, user: str) -> None:
        """Ask somebody to be friends, by id."""
        await self.press("button:has-text('Friends')")
        await self.page.do("fill", "#friend-id", user)
        await self.page.do("press", "#friend-id", "Enter")
        await self.sees("[data-part=added]:has-text('was asked')")

    async def make_group(self, name: str, *, friends: tuple[str, ...] = (), others: tuple[str, ...] = ()) -> None:
        """Make a group of friends, ticked by nickname, and others, typed by id."""
        await self.press("button[title='New group']")
        await self.page.do("fill", "#group-name", name)
        for friend in friends:
            await self.press(f"#new-group .choice:has-text('{friend}')")
        await self.page.do("fill", "#new-group [data-part=ids]", ", ".join(others))
        await self.press("#new-group button:text-is('Make the group')")
        await self.sees(f".thread .title:has-text('{name}')")

    async def join_group(self, group_id: str, words: str = "") -> None:
        """Join a group by its id, or ask to be let in; what comes of it is not waited for."""
        await self.press("button:has-text('Groups')")
        await self.page.do("fill", "#join-words", words)
        await self.page.do("fill", "#group-id", group_id)
        await self.page.do("press", "#group-id", "Enter")

    async def open_group_id(self) -> str:
        """Return the id that the open group panel tells."""
        return str(await self.page.do("textContent", "[data-part=group-panel] [data-part=panel-id]"))

    async def press(self, selector: str) -> None:
        """Press the first such button that can be seen."""
        await self.page.do("click", f"{selector} >> visible=true >> nth=0", WAIT)

    async def press_for_member(self, name: str, *words: str) -> None:
        """Press the buttons with these words, one after the other, beside a member in the open group panel."""
        person = f"[data-part=members] .person:has-text('{name}')"
        if not await self.page.do("isVisible", f"{person} .actions"):
            await self.press(f"{person} summary")
        for word in words:
            await self.press(f"{person} button:text-is('{word}')")

    async def has_lines(self, *texts: str) -> None:
        """Wait until the open chat shows exactly these messages and grey lines, in this order, days aside."""
        shown = "[...document.querySelectorAll('[data-part=messages] > :not([data-key^=day]):not(.unread-line) [data-part=text]')].map((text) => text.textContent)"
        try:
            await self.until(f"JSON.stringify({shown}) === JSON.stringify(values)", *texts)
        except Exception as error:
            raise AssertionError(f"{self.user} sees {await self.evaluate(shown)}, not {texts}") from error

    async def write(self, text: str) -> None:
        """Type a text and send it by Enter."""
        await self.page.do("fill", "#text", text)
        await self.page.do("press", "#text", "Enter")

    async def has_messages(self, *texts: str) -> None:
        """Wait until the open chat shows exactly these texts, in this order."""
        shown = "[...document.querySelectorAll('.message .text')].map((text) => text.textContent)"
        try:
            await self.until(f"JSON.stringify({shown}) === JSON.stringify(values)", *texts)
        except Exception as error:
            raise AssertionError(f"{self.user} sees {await self.evaluate(shown)}, not {texts}") from error

    async def has_ticks(self, state: str, count: int) -> None:
        """Wait until so many own messages are in a state: sent, read, waiting, failed."""
        await self.until(f"document.querySelectorAll('.own .tick[data-state={state}]').length === {count}")

    async def has_unread(self, count: str) -> None:
        """Wait until the first conversation of the list shows this number; empty for none."""
        badge = "document.querySelector('.conversations li [data-part=unread]')"
        await self.until(
            f"(badge => badge && !badge.hidden ? badge.firstChild.textContent : '')({badge}) === values[0]", count
        )

    def complaints(self) -> list[str]:
        """Return the errors of the console and uncaught exceptions so far."""
        console = [event.data for event in self.page.events.named("console") if event.data["type"] == "error"]
        return [str(event.data) for event in self.page.events.named("pageerror")] + [str(line) for line in console]
