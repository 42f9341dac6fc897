// One user's WebSocket connection: handshake, requests and their answers, heartbeat, reconnecting.

import { asFault, Fault } from "./faults.js";
import { decodeFrame, encodeFrame, randomID } from "./frames.js";
import { Request } from "./schema.js";

const PLATFORM_WEB = 5;

const HANDSHAKE_DEADLINE_MS = 10_000;
const ANSWER_DEADLINE_MS = 10_000;
const HEARTBEAT_MS = 10_000;
const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 10_000;

/** The server ends a connection that sends more (OpenIM wire, §2.7). */
const FRAME_BYTES_MAX = 51_200;
const REQUESTS_OPEN_MAX = 256;

/**
 * Connects, and connects again until told to stop or the token is refused.
 *
 * `events` has four functions:
 * - state({phase, fault}): phase is "connecting", "ready", "waiting" for the next try, or "ended";
 * - ready(): a connection stands, after every (re)connect; what the user has missed must be asked for;
 * - push(bytes): protobuf of a 2001 push;
 * - presence(bytes): protobuf of a 2005 push.
 *
 * A request that has no answer when the connection goes fails with Fault LOST: it may have been done or not.
 */
export class Connection {
  #login;
  #locate;
  #events;
  #socket = null;
  #timers = { deadline: 0, heartbeat: 0, retry: 0 };
  #open = new Map(); // msgIncr → {resolve, reject, timer}
  #round = 0; // tells what belongs to an attempt that was given up
  #failures = 0;
  #shaken = false; // the server's first word was "ok"
  #pongDue = false;

  constructor({ userID, token }, locate, events) {
    this.#login = { userID, token };
    this.#locate = locate;
    this.#events = events;
  }

  async start() {
    this.#drop();
    this.#events.state({ phase: "connecting" });
    this.#timers.deadline = setTimeout(() => this.#lose(new Fault("NO_ANSWER")), HANDSHAKE_DEADLINE_MS);
    const round = this.#round;
    try {
      const url = await this.#locate();
      if (round === this.#round) this.#dial(url);
    } catch (error) {
      if (round === this.#round) this.#lose(asFault(error));
    }
  }

  stop() {
    this.#end(new Fault("LOST"));
  }

  /** Now, instead of when the timer says: the network is back, or somebody looks at the page again. */
  probe() {
    if (this.#timers.retry) this.start();
    else if (this.#shaken && !this.#pongDue) this.#beat();
  }

  /** All is well: the next failure is the first one again. A server that greets and then fails must not be hammered. */
  confirm() {
    this.#failures = 0;
  }

  /** The connection is of no use: another one is made, after a while. */
  fail(fault) {
    this.#lose(fault);
  }

  /** The answer's protobuf bytes. Rejects with a Fault. */
  request(reqIdentifier, data) {
    if (!this.#shaken) return Promise.reject(new Fault("LOST"));
    if (this.#open.size >= REQUESTS_OPEN_MAX) return Promise.reject(new Fault("TOO_MUCH"));
    const msgIncr = randomID();
    const frame = { reqIdentifier, msgIncr, operationID: randomID(), sendID: this.#login.userID, data };
    const bytes = encodeFrame(frame);
    if (bytes.length > FRAME_BYTES_MAX) return Promise.reject(new Fault("TOO_LONG"));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(msgIncr)?.reject(new Fault("NO_ANSWER")), ANSWER_DEADLINE_MS);
      this.#open.set(msgIncr, { resolve, reject, timer });
      this.#socket.send(bytes);
    });
  }

  #dial(url) {
    const socket = this.#construct(url);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = () => this.#lose(this.#shaken ? new Fault("LOST") : new Fault("NO_SOCKET", url));
    this.#socket = socket;
  }

  #construct(url) {
    try {
      return new WebSocket(`${url}?${this.#query()}`);
    } catch (error) {
      throw new Fault("BLOCKED", error.message);
    }
  }

  #query() {
    const parameters = {
      sendID: this.#login.userID,
      token: this.#login.token,
      platformID: PLATFORM_WEB,
      operationID: randomID(),
      isBackground: false,
      isMsgResp: true,
      sdkType: "js",
    };
    const pairs = Object.entries(parameters).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
    return pairs.join("&");
  }

  #receive(data) {
    try {
      if (typeof data === "string") this.#receiveText(JSON.parse(data));
      else this.#receiveFrame(decodeFrame(data));
    } catch (error) {
      this.#lose(asFault(error));
    }
  }

  #receiveText(message) {
    if (message.type === "pong") this.#pongDue = false;
    else if (message.errCode !== undefined) this.#receiveHandshake(message);
  }

  #receiveHandshake({ errCode, errMsg, errDlt }) {
    if (errCode !== 0) {
      const fault = new Fault(errCode, errDlt || errMsg);
      if (fault.endsLogin) this.#end(fault);
      else this.#lose(fault);
    } else if (!this.#shaken) {
      this.#shaken = true;
      clearTimeout(this.#timers.deadline);
      this.#beat();
      this.#events.state({ phase: "ready" });
      this.#events.ready();
    }
  }

  #receiveFrame({ reqIdentifier, msgIncr, errCode, errMsg, data }) {
    if (reqIdentifier === Request.KICKED) this.#end(new Fault("KICKED"));
    else if (reqIdentifier === Request.PUSH) this.#events.push(data);
    else if (reqIdentifier === Request.PRESENCE && msgIncr === "") this.#events.presence(data);
    else if (errCode !== 0) this.#settle(msgIncr)?.reject(new Fault(errCode, errMsg));
    else this.#settle(msgIncr)?.resolve(data);
  }

  /** Who waits for this answer; nobody, if it comes too late. */
  #settle(msgIncr) {
    const waiter = this.#open.get(msgIncr);
    clearTimeout(waiter?.timer);
    this.#open.delete(msgIncr);
    return waiter;
  }

  #beat() {
    clearTimeout(this.#timers.heartbeat);
    if (this.#pongDue) {
      this.#lose(new Fault("NO_PONG"));
      return;
    }
    this.#pongDue = true;
    this.#socket.send('{"type":"ping"}');
    this.#timers.heartbeat = setTimeout(() => this.#beat(), HEARTBEAT_MS);
  }

  #lose(fault) {
    this.#drop();
    this.#timers.retry = setTimeout(() => this.start(), this.#nextDelay());
    this.#events.state({ phase: "waiting", fault });
  }

  // Half of the delay is drawn, so that many pages don't come back to a restarted server in one moment.
  #nextDelay() {
    const full = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** this.#failures);
    this.#failures += 1;
    return full / 2 + (Math.random() * full) / 2;
  }

  #end(fault) {
    this.#drop();
    this.#events.state({ phase: "ended", fault });
  }

  #drop() {
    this.#round += 1;
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#timers = { deadline: 0, heartbeat: 0, retry: 0 };
    this.#shaken = false;
    this.#pongDue = false;
    this.#close();
    for (const msgIncr of [...this.#open.keys()]) this.#settle(msgIncr).reject(new Fault("LOST"));
  }

  #close() {
    if (this.#socket === null) return;
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
  }
}
