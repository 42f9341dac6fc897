// Calls of the HTTP API. The page lies beside the API, behind whatever path prefix, so addresses are relative to it.

import { Fault } from "./faults.js";
import { randomID } from "./frames.js";

const ANSWER_DEADLINE_MS = 10_000;

/** POST to a route like "msg/mark_conversation_as_read"; gives the answer's `data`. Throws Fault. */
export async function post(route, token, body) {
  const headers = { "Content-Type": "application/json", operationID: randomID(), token };
  const envelope = await fetchJSON(route, { method: "POST", headers, body: JSON.stringify(body) });
  if (envelope.errCode !== 0) throw new Fault(envelope.errCode, envelope.errDlt || envelope.errMsg);
  return envelope.data ?? {};
}

/** The WebSocket address, from the document that the server keeps beside the page. Throws Fault. */
export async function webSocketURL() {
  const { ws } = await fetchJSON("endpoints.json", { cache: "no-store" });
  return ws;
}

async function fetchJSON(path, options) {
  const response = await answer(new URL(path, document.baseURI), options);
  const text = await response.text().catch(() => {
    throw new Fault("LOST");
  });
  try {
    return JSON.parse(text);
  } catch {
    throw new Fault("BAD_ANSWER", `${path}: HTTP status ${response.status}`);
  }
}

async function answer(url, options) {
  try {
    return await fetch(url, { ...options, signal: AbortSignal.timeout(ANSWER_DEADLINE_MS) });
  } catch (error) {
    throw new Fault(error.name === "TimeoutError" ? "NO_ANSWER" : "NO_SERVER");
  }
}
