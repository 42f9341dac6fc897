/**
 * Drives Chromium: plain pages (for the chat page) and pages that hold the wasm SDK (`@openim/wasm-client-sdk`).
 *
 * A profile is a browser context: its pages share storage, as tabs and later visits of one browser do. The files of the
 * SDK are served from the installed package, on a port of their own.
 */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

import { emit, serve } from "./channel.mjs";

const FOLDER = dirname(fileURLToPath(import.meta.url));
const SDK_FOLDER = join(FOLDER, "node_modules/@openim/wasm-client-sdk");
const OWN_FILES = { "/": join(FOLDER, "wasm_page.html"), "/clock.mjs": join(FOLDER, "clock.mjs") };
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };

// The SDK's database uses shared memory where the page is isolated from other origins.
const ISOLATED = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

let browser;
let sdkServer;
const profiles = new Map();
const pages = new Map();

async function launch(executablePath) {
  // As root Chromium starts only without its sandbox; others keep it from calling home; the last one from compiling the SDK (36 MB) a second time,
  // better, for pages that live for seconds: that takes longer than all the rest of a login.
  const args = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--js-flags=--liftoff-only",
  ];
  browser = await chromium.launch({ executablePath, args });
  sdkServer = createServer(sendFile);
  await new Promise((resolve) => sdkServer.listen(0, "127.0.0.1", resolve));
  return browser.version();
}

async function sendFile(request, response) {
  const { pathname } = new URL(request.url, "http://sdk");
  if (pathname === "/empty") {
    response.writeHead(200, { "Content-Type": "text/html", ...ISOLATED }).end("<!doctype html>");
    return;
  }
  const file = OWN_FILES[pathname] ?? join(SDK_FOLDER, normalize(pathname.replace(/^\/sdk\//, "/")));
  const found = await stat(file).catch(() => null);
  if (!found?.isFile()) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, {
    "Content-Type": TYPES[extname(file)] ?? "application/octet-stream",
    "Content-Length": found.size,
    "Last-Modified": found.mtime.toUTCString(),
    ...ISOLATED,
  });
  if (request.method === "HEAD") response.end();
  else createReadStream(file).pipe(response);
}

async function newProfile(name, options = {}) {
  profiles.set(name, await browser.newContext(options));
}

async function closeProfile(name) {
  await profiles.get(name).close();
  profiles.delete(name);
}

async function newPage(name, profile) {
  const page = await profiles.get(profile).newPage();
  pages.set(name, page);
  page.on("console", (message) => emit("console", name, { type: message.type(), text: message.text() }));
  page.on("pageerror", (error) => emit("pageerror", name, { text: String(error.stack ?? error) }));
  page.on("response", (response) => void reportAnswer(name, response));
  await page.exposeFunction("report", (event, data) => emit(event, name, data));
}

async function reportAnswer(name, response) {
  const { pathname, port, protocol } = new URL(response.url());
  const isAnswer = protocol === "http:" && Number(port) !== sdkServer.address().port;
  if (!isAnswer || response.request().method() !== "POST") return; // all calls are; files of the chat page need not be read once more
  const body = await response.text().catch(() => null);
  if (body !== null) emit("http", name, { path: pathname, status: response.status(), body }); // otherwise the page is gone
}

async function closePage(name) {
  await pages.get(name).close();
  pages.delete(name);
}

/** Call any method of a page whose arguments and result are JSON: `page("fill", "#text", "hello")`. */
async function onPage(name, method, ...params) {
  const result = await pages.get(name)[method](...params);
  return isPlain(result) ? result : null;
}

function isPlain(value) {
  return value === null || ["string", "number", "boolean"].includes(typeof value) || Array.isArray(value) || value?.constructor === Object;
}

/** The query says by how much the page is to shift its clock. */
async function openSdk(name, clockShift) {
  const page = pages.get(name);
  await page.goto(`http://127.0.0.1:${sdkServer.address().port}/?${clockShift}`);
  await page.waitForFunction(() => window.callSdk);
}

/** An empty page of the same origin: the process stays, and with it what it has compiled. */
async function leaveSdk(name) {
  await pages.get(name).goto(`http://127.0.0.1:${sdkServer.address().port}/empty`);
}

async function sdk(name, method, ...params) {
  const answer = await pages.get(name).evaluate(([called, given]) => window.callSdk(called, given), [method, params]);
  if ("errCode" in answer) throw answer;
  return answer.data;
}

async function end() {
  await browser?.close();
  sdkServer?.close();
}

serve({ launch, newProfile, closeProfile, newPage, closePage, page: onPage, openSdk, leaveSdk, sdk }, end);
