// The connection's manners: handshake, answers, heartbeat, reconnecting, and when it gives up.

import assert from "node:assert/strict";
import test, { beforeEach, mock } from "node:test";
import { Connection } from "./connection.js";
import { Request } from "./schema.js";

class FakeSocket {
  static all = [];
  sent = [];
  closed = false;

  constructor(url) {
    this.url = url;
    FakeSocket.all.push(this);
  }

  send(data) {
    this.sent.push(typeof data === "string" ? data : JSON.parse(new TextDecoder().decode(data)));
  }

  close() {
    this.closed = true;
  }

  text(value) {
    this.onmessage?.({ data: JSON.stringify(value) });
  }

  frame(value) {
    this.onmessage?.({ data: new TextEncoder().encode(JSON.stringify(value)).buffer });
  }

  get pings() {
    return this.sent.filter((one) => one === '{"type":"ping"}').length;
  }
}

globalThis.WebSocket = FakeSocket;
const OK = { errCode: 0, errMsg: "", errDlt: "" };
const last = () => FakeSocket.all.at(-1);

let states, pushes, connection;

beforeEach(async () => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  FakeSocket.all = [];
  states = [];
  pushes = [];
  const events = { state: (state) => states.push(state), ready: () => {}, push: (data) => pushes.push(data) };
  connection = new Connection({ userID: "a&b c", token: "t+1" }, async () => "ws://host:1", events);
  await connection.start();
});

const phase = () => states.at(-1).phase;
const code = () => states.at(-1).fault.code;

async function retry() {
  mock.timers.tick(30_000);
  await Promise.resolve(); // the address is asked for
  await Promise.resolve();
}

test("the handshake is what a JavaScript client sends, escaped", () => {
  const url = new URL(last().url);
  const { operationID, ...query } = Object.fromEntries(url.searchParams);
  assert.match(operationID, /^[0-9a-f]{32}$/);
  assert.deepEqual(query, { sendID: "a&b c", token: "t+1", platformID: "5", isBackground: "false", isMsgResp: "true", sdkType: "js" });
});

test("it is ready at the server's word, and pings at once and every ten seconds", () => {
  assert.equal(phase(), "connecting");
  last().text(OK);
  assert.deepEqual([phase(), last().pings], ["ready", 1]);
  last().text({ type: "pong", body: null });
  mock.timers.tick(10_000);
  assert.deepEqual([phase(), last().pings], ["ready", 2]);
});

test("a missing pong means a new connection", async () => {
  last().text(OK);
  const first = last();
  mock.timers.tick(10_000);
  assert.deepEqual([phase(), code(), first.closed], ["waiting", "NO_PONG", true]);
  await retry();
  assert.notEqual(last(), first);
});

test("a refused token ends it for good", async () => {
  for (const errCode of [1501, 1502, 1503, 1504, 1505, 1506, 1507]) {
    await connection.start();
    last().text({ errCode, errMsg: "no", errDlt: "" });
    const { length } = FakeSocket.all;
    await retry();
    assert.deepEqual([phase(), code(), FakeSocket.all.length], ["ended", errCode, length]);
  }
});

test("any other refusal is tried again", async () => {
  last().text({ errCode: 1601, errMsg: "full", errDlt: "" });
  assert.deepEqual([phase(), code()], ["waiting", 1601]);
  await retry();
  assert.equal(FakeSocket.all.length, 2);
});

test("a kick ends it for good", async () => {
  last().text(OK);
  last().frame({ reqIdentifier: Request.KICKED, msgIncr: "", operationID: "", errCode: 0, errMsg: "", data: "" });
  await retry();
  assert.deepEqual([phase(), code(), FakeSocket.all.length], ["ended", "KICKED", 1]);
});

test("answers find their requests in any order, errors reject", async () => {
  last().text(OK);
  const [one, two] = [connection.request(1006, Uint8Array.of(1)), connection.request(1003, Uint8Array.of(2))];
  const [, first, second] = last().sent;
  assert.deepEqual([first.sendID, first.data, second.reqIdentifier], ["a&b c", "AQ==", 1003]);
  last().frame({ ...second, errCode: 1302, errMsg: "blocked", data: "" });
  last().frame({ ...first, errCode: 0, errMsg: "", data: "Bwg=" });
  assert.deepEqual([...(await one)], [7, 8]);
  await assert.rejects(two, { code: 1302, detail: "blocked" });
});

test("a request without an answer fails after ten seconds, and a late answer hurts nobody", async () => {
  last().text(OK);
  const request = connection.request(1003, Uint8Array.of(1));
  const frame = last().sent[1];
  last().text({ type: "pong" });
  mock.timers.tick(10_000);
  await assert.rejects(request, { code: "NO_ANSWER" });
  last().frame({ ...frame, errCode: 0 });
  assert.equal(phase(), "ready");
});

test("requests under way when the connection goes are lost, later ones too", async () => {
  last().text(OK);
  const request = connection.request(1003, Uint8Array.of(1));
  last().onclose();
  await assert.rejects(request, { code: "LOST" });
  await assert.rejects(connection.request(1003, Uint8Array.of(1)), { code: "LOST" });
});

test("a request larger than the server takes is not sent", async () => {
  last().text(OK);
  await assert.rejects(connection.request(1003, new Uint8Array(40_000)), { code: "TOO_LONG" });
  assert.equal(last().sent.length, 1);
});

test("bytes that are no frame mean a new connection", () => {
  last().text(OK);
  last().onmessage({ data: Uint8Array.of(0xff).buffer });
  assert.deepEqual([phase(), code()], ["waiting", "BAD_ANSWER"]);
});

test("pauses between attempts grow until something has worked, and stay under ten seconds", async () => {
  const pauses = [];
  const real = globalThis.setTimeout;
  mock.method(globalThis, "setTimeout", (run, delay) => (pauses.push(delay), real(run, delay)));
  for (let attempt = 0; attempt < 8; attempt += 1) connection.fail(states[0]);
  assert.equal(pauses.length, 8);
  pauses.forEach((delay, index) => assert.ok(delay >= Math.min(5_000, 500 * 2 ** index) && delay <= Math.min(10_000, 1_000 * 2 ** index)));
  connection.confirm();
  connection.fail(states[0]);
  assert.ok(pauses.at(-1) <= 1_000);
  mock.restoreAll();
});

test("what an abandoned socket still says is not heard", async () => {
  const first = last();
  first.text(OK);
  connection.fail(states[0]);
  await retry();
  first.text(OK);
  first.frame({ reqIdentifier: Request.PUSH, msgIncr: "", errCode: 0, data: "" });
  assert.deepEqual([phase(), pushes.length], ["connecting", 0]);
});

test("a push is handed on", () => {
  last().text(OK);
  last().frame({ reqIdentifier: Request.PUSH, msgIncr: "", errCode: 0, data: "CAA=" });
  assert.deepEqual([...pushes[0]], [8, 0]);
});
