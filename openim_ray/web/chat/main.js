// Starts the page: who is signed in, and what is on the screen.

import { Chat } from "./chat.js";
import { Details } from "./details.js";
import { part } from "./dom.js";
import { clearNotices, notify, showFault } from "./fault_view.js";
import { Fault } from "./faults.js";
import * as http from "./http.js";
import { Sidebar } from "./sidebar.js";
import { SignIn } from "./sign_in.js";
import { Thread } from "./thread.js";

const TITLE = document.title;
const LOGIN_KEY = "openim-ray.login";

const screen = document.getElementById("chat");
const signIn = new SignIn(enter);
const thread = new Thread({ back: closeThread });
const details = new Details(openThread);
const sidebar = new Sidebar({ open: openThread, signOut: () => leave(null) });

part(screen, "try-now").onclick = () => chat.probe();

let chat = null;
let renderIsDue = false;

function enter(login) {
  chat?.stop();
  clearNotices();
  sessionStorage.setItem(LOGIN_KEY, JSON.stringify(login)); // this tab only
  signIn.wait();
  chat = new Chat(login, http, { changed: renderSoon, fault: notify });
  sidebar.show(chat);
  thread.show(chat);
  details.show(chat);
  chat.start();
}

function leave(fault) {
  const { userID } = chat;
  chat.stop();
  chat = null;
  thread.show(null);
  screen.classList.remove("in-thread");
  sessionStorage.removeItem(LOGIN_KEY);
  clearNotices();
  screen.hidden = true;
  document.title = TITLE;
  signIn.show(userID, fault);
}

function openThread(conversation) {
  screen.classList.add("in-thread");
  details.close();
  thread.open(conversation);
}

function closeThread() {
  screen.classList.remove("in-thread");
  details.close();
  thread.close();
}

// A burst of pushes is drawn once. Not requestAnimationFrame: that waits while the tab is hidden, the title must not.
function renderSoon() {
  if (renderIsDue) return;
  renderIsDue = true;
  setTimeout(render);
}

function render() {
  renderIsDue = false;
  if (chat === null) return;
  if (chat.phase === "ended") {
    leave(chat.trouble);
    return;
  }
  if (screen.hidden && (chat.phase === "ready" || chat.trouble !== null)) showScreen();
  renderBanner();
  sidebar.render();
  thread.render();
  details.render();
  document.title = chat.unread > 0 ? `(${chat.unread}) ${TITLE}` : TITLE;
}

function showScreen() {
  signIn.hide();
  screen.hidden = false;
}

function renderBanner() {
  const banner = part(screen, "banner");
  banner.hidden = chat.trouble === null;
  if (banner.dataset.code === String(chat.trouble?.code)) return; // else it would be read out again
  banner.dataset.code = String(chat.trouble?.code);
  showFault(part(banner, "trouble"), chat.trouble);
}

/** A link with #userID=…&token=… signs in. The address bar and the tab's history forget it at once. */
function takeLoginFromAddress() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const [userID, token] = [parameters.get("userID"), parameters.get("token")];
  if (!userID || !token) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return { userID, token };
}

function start() {
  const login = takeLoginFromAddress() ?? JSON.parse(sessionStorage.getItem(LOGIN_KEY));
  if (login === null) signIn.show("", null);
  else enter(login);
}

window.addEventListener("hashchange", () => {
  const login = takeLoginFromAddress();
  if (login !== null) enter(login);
});
window.addEventListener("online", () => chat?.probe());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") chat?.probe();
});
document.addEventListener("securitypolicyviolation", ({ blockedURI }) => notify(new Fault("BLOCKED", blockedURI)));

start();
