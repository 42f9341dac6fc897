/**
 * Drives one client of the pure JavaScript SDK (`@openim/client-sdk`) in Node.
 *
 * The SDK is made for browsers: it finds `WebSocket` and `fetch` in the global scope. `ws` stands in for the first;
 * the second is wrapped, so that every HTTP answer is reported.
 *
 * SDK_BUILD names the file of the package. Version 0.0.14 has several, and they differ: only `index.modern.mjs` pulls after a
 * reconnect. In the others, `index.js` and `index.es.js` among them, which programs get, that pull ends in a TypeError (an iterator
 * was taken for an array when they were made).
 */

import WebSocket from "ws";

import { emit, serve } from "./channel.mjs";
import { shiftClock } from "./clock.mjs";

const clockShift = Number(process.env.CLOCK_SHIFT_MS ?? 0);
if (clockShift) shiftClock(clockShift);

globalThis.WebSocket = class extends WebSocket {
  constructor(url) {
    super(url);
    this.binaryType = "blob"; // as in a browser
  }
};

const plainFetch = globalThis.fetch;
globalThis.fetch = async (url, options) => {
  const response = await plainFetch(url, options);
  emit("http", "js", { path: new URL(url).pathname, status: response.status, body: await response.clone().text() });
  return response;
};

// In a browser a promise that nobody waits for is a line on the console; Node would end the process.
process.on("unhandledRejection", (reason) => emit("unhandledrejection", "js", String(reason?.stack ?? reason)));

const { CbEvents, getSDK } = await import(`@openim/client-sdk/lib/${process.env.SDK_BUILD}`);
const sdk = getSDK();
for (const name of new Set(Object.values(CbEvents))) {
  sdk.on(name, ({ data, errCode, errMsg }) => emit(name, "js", { data, errCode, errMsg }));
}

serve({ sdk: async (method, ...params) => (await sdk[method](...params)).data });
