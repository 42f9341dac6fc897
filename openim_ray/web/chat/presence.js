// Whether the person in the open chat is online (OpenIM wire, §3.9).

import { decode, encode } from "./protobuf.js";
import * as schema from "./schema.js";
import { Request } from "./schema.js";

/** Watches one user at a time. Subscriptions die with the connection, so `renew` after each reconnect. */
export class Presence {
  #request;
  #changed;
  #userID = "";
  #isOnline = null;

  /** `request(reqIdentifier, bytes)` resolves to an answer's bytes; `changed()` is called when there is something new. */
  constructor(request, changed) {
    this.#request = request;
    this.#changed = changed;
  }

  /** True, false, or null if it is not known. */
  isOnline(userID) {
    return userID === this.#userID ? this.#isOnline : null;
  }

  /** Watches another user, or nobody (""). */
  watch(userID) {
    if (userID === this.#userID) return;
    const before = this.#userID;
    this.#userID = userID;
    this.#isOnline = null;
    this.#subscribe({ subscribeUserID: ids(userID), unsubscribeUserID: ids(before) });
  }

  renew() {
    if (this.#userID !== "") this.#subscribe({ subscribeUserID: ids(this.#userID) });
  }

  /** Nothing is known without a connection. */
  forget() {
    this.#isOnline = null;
  }

  /** An answer or a push. */
  take(bytes) {
    for (const { userID, onlinePlatformIDs } of decode(schema.PresenceTips, bytes).subscribers) {
      if (userID === this.#userID) this.#isOnline = onlinePlatformIDs.length > 0;
    }
    this.#changed();
  }

  async #subscribe(change) {
    try {
      this.take(await this.#request(Request.PRESENCE, encode(schema.PresenceReq, change)));
    } catch {
      // The dot stays away; nothing else hangs on it.
    }
  }
}

function ids(userID) {
  return userID === "" ? [] : [userID];
}
