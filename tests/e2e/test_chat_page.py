"""The chat page in Chromium: what a newcomer with two tabs does, and what the page does when the server goes or refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from openim_ray.web import login_link
from tests.e2e.browser import Browser, Page
from tests.e2e.channel import CallError
from tests.e2e.chat_tab import Tab
from tests.e2e.events import EventLog
from tests.e2e.server import Server

pytestmark = [pytest.mark.ray, pytest.mark.browser]

PAGE_OF_HISTORY = 30

# Runs before anything of the page: notes what its policy refuses and which sockets it opens.
WATCH = """
  window.seen = { violations: [], sockets: [] };
  document.addEventListener("securitypolicyviolation", (event) =>
    document.documentElement.dataset.violations = window.seen.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  window.WebSocket = class extends window.WebSocket {
    constructor(url) { super(url); window.seen.sockets.push(url); }
  };
"""


@pytest.fixture(scope="module")
def vacant() -> list[Page]:
    """Tabs that a test has left, emptied, for the next: to open one costs more than most tests, its profile above all."""
    return []


class Tabs:
    """Opens tabs, each in a browser profile of its own, and leaves them as if just opened after the test."""

    def __init__(self, browser: Browser, server: Server, vacant: list[Page]) -> None:
        self._browser = browser
        self._server = server
        self._vacant = vacant
        self._opened: list[Tab] = []

    async def open(self, user: str, token: str) -> Tab:
        """Open the page by a login link; what comes of it is not waited for."""
        tab = Tab(self._vacant.pop() if self._vacant else await self._new(), user)
        self._opened.append(tab)
        await tab.page.do("goto", login_link(f"{self._server.api_url}/", user, token))
        return tab

    async def sign_in(self, user: str) -> Tab:
        """Open the page with a new token and wait until it is connected."""
        tab = await self.open(user, self._server.token(user))
        await tab.connected()
        return tab

    async def leave(self) -> None:
        """Leave all tabs; the server must not have answered any of them with 500."""
        answers = [event.data for tab in self._opened for event in tab.page.events.named("http")]
        for tab in self._opened:
            await tab.evaluate("sessionStorage.clear(), localStorage.clear()")
            await tab.page.do("goto", "about:blank")
            tab.page.events = EventLog(tab.page.name)
            self._vacant.append(tab.page)
        assert [answer for answer in answers if '"errCode":500' in answer["body"]] == []

    async def _new(self) -> Page:
        page = await self._browser.page(await self._browser.profile(viewport={"width": 1200, "height": 800}))
        await page.do("addInitScript", {"content": WATCH})
        return page


@pytest_asyncio.fixture(loop_scope="session")
async def tabs(browser: Browser, server: Server, vacant: list[Page]) -> AsyncIterator[Tabs]:
    """Tabs that are left after the test."""
    tabs = Tabs(browser, server, vacant)
    yield tabs
    await tabs.leave()


@pytest_asyncio.fixture(loop_scope="session")
async def pair(tabs: Tabs, server: Server) -> tuple[Tab, Tab]:
    """Ann and Ben, new users, each signed in."""
    return await tabs.sign_in(server.add_user("Ann")), await tabs.sign_in(server.add_user("Ben"))


async def test_two_users_chat(pair: tuple[Tab, Tab]) -> None:
    """Texts go both ways, unread ones are counted, and the writer sees when they were read."""
    ann, ben = pair
    await ann.start_chat(ben.user)
    await ann.write("Hello Ben")
    await ann.write("Are you there?\n— Ann")
    await ben.sees(".conversation:has-text('Are you there?')")
    await ben.until("document.title.startsWith('(2) ')")
    await ben.has_unread("2")
    await ann.has_ticks("sent", 2)

    await ben.open_chat("Ann")
    await ben.has_messages("Hello Ben", "Are you there?\n— Ann")
    await ann.has_ticks("read", 2)
    await ben.until("!document.title.startsWith('(')")
    await ben.has_unread("")

    await ben.write("Yes, here I am 🙂")
    await ann.has_messages("Hello Ben", "Are you there?\n— Ann", "Yes, here I am 🙂")
    await ben.has_ticks("read", 1)
    await ann.has_unread("")
    assert ann.complaints() + ben.complaints() == []


async def test_markup_in_a_message_is_text(pair: tuple[Tab, Tab]) -> None:
    """What others write never becomes part of the page."""
    ann, ben = pair
    hostile = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"
    await ann.start_chat(ben.user)
    await ann.write(hostile)
    await ben.sees(".conversation:has-text('onerror')")
    await ben.open_chat("Ann")
    await ben.has_messages(hostile)
    assert await ben.evaluate("document.querySelectorAll('#chat img, #chat script').length") == 0


async def test_writing_is_shown_to_the_other(pair: tuple[Tab, Tab]) -> None:
    """Who is being written to sees it, until the message comes."""
    ann, ben = pair
    await ann.start_chat(ben.user)
    await ann.write("Hello")
    await ben.sees(".conversation:has-text('Hello')")
    await ben.open_chat("Ann")
    await ann.page.do("fill", "#text", "I am thinking about")
    await ben.sees(".thread .typing:text-is('is writing …')")
    await ann.page.do("press", "#text", "Enter")
    await ben.has_messages("Hello", "I am thinking about")
    await ben.until("document.querySelector('.thread .typing') === null")


async def test_history_comes_by_pages(tabs: Tabs, server: Server, pair: tuple[Tab, Tab]) -> None:
    """A new device sees the newest page first, older ones on the way up, down to the first message, in order."""
    ann, ben = pair
    texts = [f"line {number}" for number in range(1, 2 * PAGE_OF_HISTORY + 11)]
    await ann.start_chat(ben.user)
    await ann.write(texts[0])
    await ann.has_ticks("sent", 1)
    for text in texts[1:]:  # from another device of hers: to type one takes twenty times as long
        message = {"contentType": 101, "sessionType": 1, "content": {"content": text}, "senderPlatformID": 2}
        body = {"sendID": ann.user, "recvID": ben.user, **message}
        await asyncio.to_thread(server.call, "/msg/send_msg", body)
    await ann.has_ticks("sent", len(texts))

    fresh = await tabs.sign_in(ben.user)  # kicks the other tab of this user
    await fresh.has_unread(str(len(texts)))
    await fresh.open_chat("Ann")
    await fresh.has_messages(*texts[-PAGE_OF_HISTORY - 1 :])
    for shown in (2 * PAGE_OF_HISTORY + 1, len(texts)):
        await fresh.evaluate("document.querySelector('.history').scrollTo(0, 0)")
        await fresh.has_messages(*texts[-shown:])
    assert await fresh.evaluate("document.querySelector('.older').hidden")
    await ann.has_ticks("read", len(texts))


async def test_it_comes_back_after_a_crash_of_the_server(server: Server, pair: tuple[Tab, Tab]) -> None:
    """The loss is told, what is written meanwhile waits, and after the restart everything is there once."""
    ann, ben = pair
    await ann.start_chat(ben.user)
    await ann.write("before")
    await ben.sees(".conversation:has-text('before')")
    await ben.open_chat("Ann")
    await ann.has_ticks("read", 1)

    await asyncio.to_thread(server.kill_everything)
    await ann.sees(".banner:has-text('The page tries again by itself')")
    await ann.write("while it was gone")
    await ann.write("and one more")
    await ann.has_ticks("waiting", 2)

    await asyncio.to_thread(server.restart)
    await ann.connected()
    await ben.connected()
    await ben.has_messages("before", "while it was gone", "and one more")
    await ann.has_messages("before", "while it was gone", "and one more")
    await ann.has_ticks("read", 3)
    await ben.write("welcome back")
    await ann.has_messages("before", "while it was gone", "and one more", "welcome back")


async def test_a_second_login_is_told_to_the_first(tabs: Tabs, pair: tuple[Tab, Tab]) -> None:
    """The tab that was kicked says so in words, forgets the token and does not come back by itself."""
    ann, _ben = pair
    await tabs.sign_in(ann.user)
    await ann.sees("#sign-in .fault:has-text('You were signed out')")
    assert await ann.evaluate("sessionStorage.length") == 0
    assert await ann.evaluate("document.getElementById('user-id').value") == ann.user
    sockets = await ann.evaluate("window.seen.sockets.length")
    await ann.page.do("reload")
    await ann.sees("#sign-in button")
    assert sockets == 1
    assert await ann.evaluate("window.seen.sockets.length") == 0


async def test_a_wrong_token_is_explained(tabs: Tabs, server: Server) -> None:
    """The form stays, with the code, what it means and what to do."""
    tab = await tabs.open(server.add_user("Eve"), "garbage")
    await tab.sees("#sign-in .fault:has-text('This is not a token.')")
    assert "Code 1503" in await tab.page.do("textContent", "#sign-in .fault")


async def test_another_user_s_token_is_explained(tabs: Tabs, server: Server) -> None:
    """A token opens the door of its own user only."""
    tab = await tabs.open(server.add_user("Eve"), server.token(server.add_user("Ann")))
    await tab.sees("#sign-in .fault:has-text('Code 1502')")


async def test_an_unknown_user_can_not_be_written_to(pair: tuple[Tab, Tab]) -> None:
    """The form for a new chat says what is wrong with the id."""
    ann, _ben = pair
    await ann.page.do("click", "button[title='New chat']")
    await ann.page.do("fill", "#other-id", "nobody-of-this-name")
    await ann.page.do("press", "#other-id", "Enter")
    await ann.sees(".new-chat .fault:has-text('The server does not know this user.')")


async def test_a_reload_keeps_the_login_and_signing_out_ends_it(pair: tuple[Tab, Tab]) -> None:
    """The tab remembers who it belongs to, until it is told to forget."""
    ann, _ben = pair
    await ann.page.do("reload")
    await ann.connected()
    await ann.page.do("click", "button[title='Sign out']")
    await ann.sees("#sign-in button")
    assert await ann.evaluate("sessionStorage.length + localStorage.length + document.cookie.length") == 0


async def test_the_token_leaves_the_address_bar(server: Server, pair: tuple[Tab, Tab]) -> None:
    """A login link must not stay where it is seen, bookmarked or shared."""
    ann, _ben = pair
    assert await ann.evaluate("location.href + JSON.stringify(history.state)") == f"{server.api_url}/null"
    assert await ann.evaluate("localStorage.length") == 0


async def test_nothing_leaves_the_server_s_own_addresses(server: Server, pair: tuple[Tab, Tab]) -> None:
    """No request, no socket and no attempt at either goes anywhere else, and the policy has nothing to refuse."""
    ann, ben = pair
    await ann.start_chat(ben.user)
    await ann.write("https://elsewhere.example/picture.png")
    await ben.sees(".conversation:has-text('elsewhere.example')")
    await ben.open_chat("Ann")
    await ann.has_ticks("read", 1)
    for tab in pair:
        requests = await tab.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
        seen = await tab.evaluate("window.seen")
        assert len(requests) > 10
        assert {"{0.scheme}://{0.netloc}".format(urlsplit(request)) for request in requests} == {server.api_url}
        assert {"{0.scheme}://{0.netloc}".format(urlsplit(socket)) for socket in seen["sockets"]} == {server.ws_url}
        assert seen["violations"] == []
        assert tab.complaints() == []


async def test_the_policy_is_in_force(pair: tuple[Tab, Tab]) -> None:
    """A page whose header were missing would pass the test before this one, so the policy is made to refuse something."""
    ann, _ben = pair
    await ann.evaluate("void fetch('https://elsewhere.example/').catch(() => {})")
    await ann.evaluate("void (new Image().src = 'https://elsewhere.example/picture.png')")
    await ann.until("window.seen.violations.length === 2")
    refused = await ann.evaluate("window.seen.violations.map((seen) => seen.split(' ')[0]).sort()")
    assert refused == ["connect-src", "img-src"]
    with pytest.raises(CallError, match="TrustedHTML"):
        await ann.evaluate("document.body.innerHTML = '<p>markup</p>'")


async def test_friends_make_a_group(tabs: Tabs, server: Server) -> None:
    """Three people: friends are asked and accepted, a group is made, talked in, muted; one is removed, asks to join, is refused, and let in."""
    ann, ben, eve = [await tabs.sign_in(server.add_user(name)) for name in ("Ann", "Ben", "Eve")]
    await ann.ask_friend(ben.user)
    await ben.press("button:has-text('Friends')")
    await ben.press(".person:has-text('Ann') button:text-is('Accept')")
    await ann.sees("[data-part=friends] .person:has-text('Ben')")
    await ben.sees("[data-part=friends] .person:has-text('Ann')")
    await ann.sees("button:has-text('Chats') .badge:has-text('1')")

    await ann.make_group("Walk", friends=("Ben",), others=(eve.user,))
    await ann.write("At nine?")
    await ben.press("button:has-text('Chats')")
    for tab in (ben, eve):
        await tab.sees(".conversation:has-text('Walk'):has-text('Ann: At nine?')")
        await tab.has_unread("2")
        await tab.open_chat("Walk")
        await tab.has_lines("Ann created the group.", "At nine?")
        await tab.has_unread("")
    await eve.write("Ten is better")
    await ben.sees(".message:has-text('Ten is better') .author:text-is('Eve')")

    await ann.press("button[title=Details]")
    await ann.press_for_member("Ben", "Mute for 10 minutes")
    await ben.sees(".thread .status:has-text('you are muted until')")
    await ben.write("But")
    await ben.sees(".message:has-text('But') .trouble:has-text('You are muted in this group.')")
    await ann.press_for_member("Ben", "Unmute")
    await ben.sees(".line span:text-is('Ann unmuted you.')")
    await ben.press("button:text-is('Try again')")
    await ann.has_messages("At nine?", "Ten is better", "But")

    await ann.press_for_member("Ben", "Remove", "Really remove?")
    await ben.sees(".closed:has-text('You are not in this group any more')")
    await ann.write("Ten, then")
    story = (
        "Ann created the group.",
        "At nine?",
        "Ten is better",
        "Ann muted {}.",
        "Ann unmuted {}.",
        "But",
        "Ann removed {} from the group.",
    )
    seen_by_ben = [line.format("you") for line in story]
    seen_by_ben[3] = "Ann muted you for 10 minutes."
    await ben.has_lines(*seen_by_ben)
    await eve.sees(".thread .status:text-is('2 members')")
    await eve.has_lines(*(line.replace("you", "Ben") for line in seen_by_ben), "Ten, then")
    await ben.page.do("reload")
    await ben.connected()
    await ben.open_chat("Walk")
    await ben.has_lines(*seen_by_ben)
    await ben.sees(".closed:has-text('You are not in this group any more')")

    await ben.press("button[title=Details]")
    await ben.sees(".panel:has-text('You are not in this group.') button:text-is('Ask to join')")
    await ben.join_group(await ann.open_group_id(), "I shall come at ten")
    await ben.sees(".panel:has-text('You have asked to join.')")
    await ben.sees("[data-part=asked]:has-text('You asked to join Walk.')")
    await ann.sees("button:has-text('Groups') .badge:has-text('1')")
    await ann.sees(".panel .applications .person:has-text('I shall come at ten')")
    await ann.press(".panel .applications button:text-is('Refuse')")
    await ben.sees("[data-part=sent] .person:has-text('refused')")
    await ann.press_for_member("Eve", "Make admin")
    await ben.press("button:text-is('Ask again')")
    await ben.sees("[data-part=sent] .person:has-text('not answered yet')")
    await eve.press("button:has-text('Groups')")
    await eve.press("[data-part=groups-view] .person:has-text('Ben') button:text-is('Accept')")
    await ben.press("[data-part=joined] .person:has-text('Walk') .who")
    await ben.has_lines(*seen_by_ben, "Ten, then", "You joined the group.")
    for tab in (ann, eve):
        await tab.until("!document.querySelector('.applications .person')")
    await ann.press_for_member("Eve", "Write")
    await ann.sees(f".thread .status:text-is('{eve.user}')")
    assert ann.complaints() + ben.complaints() + eve.complaints() == []


async def test_who_runs_a_group_can_end_it(tabs: Tabs, server: Server) -> None:
    """A member is offered to invite and to leave; an owner to rename, to say who may join, to mute all, to hand over and to end it."""
    ann, ben = [await tabs.sign_in(server.add_user(name)) for name in ("Ann", "Ben")]
    await ann.make_group("Walk", others=(ben.user,))
    await ben.open_chat("Walk")
    for tab in (ann, ben):
        await tab.press("button[title=Details]")
    await ben.sees(".panel summary:has-text('Invite people')")
    offered = (
        "[...document.querySelectorAll('.panel:not([hidden]) > .actions button')].map((button) => button.textContent)"
    )
    assert await ben.evaluate(offered) == ["Leave the group"]
    assert await ann.evaluate(offered) == ["Mute the group", "Dismiss the group"]
    for fold in ("rename", "joining"):
        assert await ben.evaluate(f"document.querySelector('[data-part={fold}-fold]').hidden")

    await ann.press("summary:has-text('Rename')")
    await ann.page.do("fill", "[data-part=rename] input", "Run")
    await ann.press("[data-part=rename] button")
    await ben.sees(".conversation .name:text-is('Run')")
    await ann.press("button:text-is('Mute the group')")
    await ben.sees(".thread .status:has-text('the group is muted')")
    await ben.write("But")
    await ben.sees(".message .trouble:has-text('This group is muted.')")
    await ann.press("button:text-is('Unmute the group')")

    await ben.press("summary:has-text('Invite')")
    await ben.page.do("fill", "[data-part=invite] [data-part=ids]", "nobody-of-this-name")
    await ben.press("button:text-is('Invite')")
    await ben.sees("[data-part=invite] .fault:has-text('The server does not know this user.')")

    await ann.press("summary:has-text('Who may join')")
    await ann.press("label:has-text('Only who is let in')")
    await ann.press("[data-part=joining] button")
    await ben.sees(".panel:has-text('Whoever wants to join must be let in')")
    eve = await tabs.sign_in(server.add_user("Eve"))
    await ben.page.do("fill", "[data-part=invite] [data-part=ids]", eve.user)
    await ben.press("button:text-is('Invite')")
    await ben.sees(".panel:has-text('The owner and the admins were asked to let them in.')")
    await ann.sees(".panel .applications .person:has-text('Eve'):has-text('invited by Ben')")
    await eve.press("button:has-text('Groups')")
    await eve.sees("[data-part=sent] .person:has-text('Ben invited you')")
    await ann.press("summary:has-text('Who may join')")
    await ann.press("label:has-text('Anybody who knows')")
    await ann.press("[data-part=joining] button")
    await ann.sees(".panel:has-text('Anybody can join by this id.')")
    await eve.join_group(await ann.open_group_id())
    await eve.sees(".line span:text-is('You joined the group.')")
    await ann.until("!document.querySelector('.applications .person')")

    await ann.press("button:text-is('Dismiss the group')")
    await ann.press("button:text-is('Really dismiss it for everybody?')")
    for tab in (ann, ben, eve):
        await tab.sees(".closed:has-text('This group was dismissed.')")
    assert ann.complaints() + ben.complaints() + eve.complaints() == []


async def test_a_blocked_person_is_refused_until_unblocked(pair: tuple[Tab, Tab]) -> None:
    """The refusal is shown in words; who is there is shown beside the name."""
    ann, ben = pair
    await ann.start_chat(ben.user)
    await ann.sees(".thread .presence:text-is('online')")
    await ann.press("button[title=Details]")
    await ann.press("button:text-is('Block')")
    await ann.press("button:text-is('Really block?')")
    await ann.sees(".panel:has-text('You have blocked this person.')")
    await ben.start_chat(ann.user)
    await ben.write("Hello")
    await ben.sees(".message .trouble:has-text('This person does not take messages from you.')")
    await ann.press(".panel button:text-is('Unblock')")
    await ann.sees(".panel button:text-is('Block')")
    await ben.press("button:text-is('Try again')")
    await ann.has_messages("Hello")
    assert ann.complaints() + ben.complaints() == []
