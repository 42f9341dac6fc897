/**
 * Drives clients of the pure JavaScript SDK (`@openim/client-sdk`) in Node, several in one process: loading the packages takes longer than a test.
 *
 * The SDK is made for browsers: it finds `WebSocket` and `fetch` in the global scope. `ws` stands in for the first;
 * the second is wrapped, so that every HTTP answer is reported. Whose call it is, tells the asynchronous context that the client was made in.
 *
 * `build` names the file of the package. Version 0.0.14 has several, and they differ: only `index.modern.mjs` pulls after a
 * reconnect. In the others, `index.js` and `index.es.js` among them, which programs get, that pull ends in a TypeError (an iterator
 * was taken for an array when they were made).
 */

import { AsyncLocalStorage } from "node:async_hooks";

import WebSocket from "ws";

import { emit, serve } from "./channel.mjs";
import { shiftClock } from "./clock.mjs";

const clockShift = Number(process.env.CLOCK_SHIFT_MS ?? 0);
if (clockShift) shiftClock(clockShift);

const clients = new Map();
const current = new AsyncLocalStorage();
const NEVER = { readyState: WebSocket.CONNECTING, send() {}, close() {}, addEventListener() {}, removeEventListener() {} };

class Client {
  constructor(name) {
    this.name = name;
    this.sockets = new Set();
    this.dropped = false;
  }

  emit(event, data) {
    if (!this.dropped) emit(event, this.name, data);
  }

  drop() {
    this.dropped = true;
    for (const socket of this.sockets) {
      socket.removeAllListeners();
      socket.on("error", () => {}); // of one that isn't open yet
      socket.terminate();
    }
  }
}

globalThis.WebSocket = class extends WebSocket {
  constructor(url) {
    const client = current.getStore();
    if (client.dropped) return { ...NEVER };
    super(url);
    this.binaryType = "blob"; // as in a browser
    client.sockets.add(this);
    this.on("close", () => client.sockets.delete(this));
  }
};

const plainFetch = globalThis.fetch;
globalThis.fetch = async (url, options) => {
  const client = current.getStore();
  if (client.dropped) return new Promise(() => {});
  const response = await plainFetch(url, options);
  client.emit("http", { path: new URL(url).pathname, status: response.status, body: await response.clone().text() });
  return response;
};

// In a browser a promise that nobody waits for is a line on the console; Node would end the process. Whose it was is not told.
process.on("unhandledRejection", (reason) => {
  for (const client of clients.values()) client.emit("unhandledrejection", String(reason?.stack ?? reason));
});

async function open(name, build) {
  const { CbEvents, getSDK } = await import(`@openim/client-sdk/lib/${build}`);
  const client = new Client(name);
  clients.set(name, client);
  current.run(client, () => {
    client.sdk = getSDK();
    for (const event of new Set(Object.values(CbEvents))) {
      client.sdk.on(event, ({ data, errCode, errMsg }) => client.emit(event, { data, errCode, errMsg }));
    }
  });
}

async function sdk(name, method, ...params) {
  const client = clients.get(name);
  return (await current.run(client, () => client.sdk[method](...params))).data;
}

function drop(name) {
  clients.get(name).drop();
  clients.delete(name);
}

serve({ open, sdk, drop });
