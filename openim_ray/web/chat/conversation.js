// One conversation as this page knows it: which messages are there, which are missing, what is unread.

const DELETED = 4; // status of a placeholder: something was here (OpenIM wire, §3.5)

export const SessionType = { SINGLE: 1, GROUP: 3, NOTIFICATION: 4 };

/** How many messages a conversation keeps when nobody looks at it. Older ones are asked for again. */
const KEPT_MAX = 200;

/** How many own messages may wait in a conversation; and how many unstored ones of others are kept. */
export const LOOSE_MAX = 100;

/** The id that the server gives to the chat of two users (OpenIM wire, §4.1). */
export function singleChatID(one, other) {
  return `si_${[one, other].sort(byCodePoints).join("_")}`;
}

export function groupChatID(groupID) {
  return `sg_${groupID}`;
}

// The server compares UTF-8, which orders like code points; JavaScript's "<" compares UTF-16 and differs for emoji.
function byCodePoints(one, other) {
  const [left, right] = [Array.from(one), Array.from(other)];
  const at = left.findIndex((character, index) => character !== right[index]);
  if (at === -1) return left.length - right.length;
  return at >= right.length ? 1 : left[at].codePointAt(0) - right[at].codePointAt(0);
}

/**
 * A message is MsgData with two more fields: `delivery` ("sending", "waiting", "failed" or "sent") and `fault`.
 * Stored messages are kept by seq. Messages without a seq are "loose": own ones until their echo tells the seq, and
 * those that the server does not store.
 */
export class Conversation {
  maxSeq = 0;
  readSeq = 0;
  minSeq = 1;
  /** sendTime of the newest message; what the list goes by until that message is here. */
  newestTime = 0;
  typingUntil = 0;
  draft = "";
  /** Up to here a receipt was tried in vain. */
  markTried = 0;
  /** Settles when everything that was to be sent has been tried. */
  lane = Promise.resolve();
  /** Own messages may have been read while this page was not connected. */
  receiptsStale = false;
  #bySeq = new Map();
  #loose = [];

  constructor(id, sessionType, otherID) {
    this.id = id;
    this.sessionType = sessionType;
    this.otherID = otherID; // the other user, or the group
  }

  get unread() {
    return Math.max(0, this.maxSeq - this.readSeq);
  }

  get isEmpty() {
    return this.maxSeq < this.minSeq && this.#loose.length === 0;
  }

  /** Lowest seq from which on nothing is missing; maxSeq + 1 if not even the newest is here. */
  get floor() {
    let floor = this.maxSeq + 1;
    while (this.#bySeq.has(floor - 1)) floor -= 1;
    return floor;
  }

  get isComplete() {
    return this.floor <= this.minSeq;
  }

  /** What can be shown without a hole, oldest first: stored ones in order, unsent ones last. */
  get visible() {
    const stored = [];
    for (let seq = this.floor; seq <= this.maxSeq; seq += 1) stored.push(this.#bySeq.get(seq));
    const shown = [...stored, ...this.#loose].filter((message) => message.status !== DELETED);
    return shown.sort(inOrder);
  }

  get newest() {
    let seq = this.maxSeq;
    while (this.#bySeq.get(seq)?.status === DELETED) seq -= 1;
    const last = [this.#bySeq.get(seq), this.#loose.at(-1)].filter((message) => message !== undefined);
    return last.sort(inOrder).at(-1) ?? null;
  }

  get waiting() {
    return this.#loose.filter((message) => message.delivery === "waiting");
  }

  get unsent() {
    return this.#loose.filter((message) => message.delivery !== "sent").length;
  }

  /** What 1006 says about this conversation. Never goes back: a push may have told more meanwhile. */
  raise(maxSeq, readSeq) {
    this.maxSeq = Math.max(this.maxSeq, maxSeq);
    this.readSeq = Math.max(this.readSeq, readSeq);
  }

  /** Takes a stored or unstored message in. Tells whether it was news: each seq and each clientMsgID counts once. */
  accept(message) {
    const loose = this.#loose.find((other) => isSame(other, message));
    if (message.seq === 0) return loose === undefined && this.#keepLoose(message);
    if (loose !== undefined) this.#loose.splice(this.#loose.indexOf(loose), 1);
    const known = this.#bySeq.get(message.seq);
    if (known !== undefined && known.status !== DELETED && message.status !== DELETED) message.isRead ||= known.isRead;
    this.#bySeq.set(message.seq, { ...message, delivery: "sent" });
    this.maxSeq = Math.max(this.maxSeq, message.seq);
    return known === undefined;
  }

  /** An own message on its way out. */
  add(message) {
    this.#loose.push(message);
  }

  remove(message) {
    this.#loose = this.#loose.filter((other) => other !== message);
  }

  /** Seqs in [first, last] that are not here, newest first. */
  missing(first, last) {
    const seqs = [];
    for (let seq = last; seq >= Math.max(first, this.minSeq); seq -= 1) if (!this.#bySeq.has(seq)) seqs.push(seq);
    return seqs;
  }

  /** Seqs of the loaded messages that `matches`, oldest first. */
  seqs(matches) {
    return this.visible.filter((message) => message.seq > 0 && matches(message)).map((message) => message.seq);
  }

  markRead(seqs) {
    for (const seq of seqs) {
      const message = this.#bySeq.get(seq);
      if (message !== undefined) message.isRead = true;
    }
  }

  rewrite(seq, contentType) {
    const message = this.#bySeq.get(seq);
    if (message !== undefined) this.#bySeq.set(seq, { ...message, contentType });
  }

  /** Forgets old messages of a conversation that is not looked at. */
  trim() {
    for (const seq of this.#bySeq.keys()) if (seq <= this.maxSeq - KEPT_MAX) this.#bySeq.delete(seq);
  }

  #keepLoose(message) {
    const gone = this.#loose.filter((other) => other.delivery === "sent");
    if (gone.length >= LOOSE_MAX) this.remove(gone[0]);
    this.#loose.push({ ...message, delivery: "sent" });
    return true;
  }
}

// A sender chooses the clientMsgID, so it says nothing about another sender's message.
function isSame(one, other) {
  return one.clientMsgID !== "" && one.clientMsgID === other.clientMsgID && one.sendID === other.sendID;
}

function inOrder(one, other) {
  return place(one) - place(other) || (one.seq && other.seq ? one.seq - other.seq : 0);
}

// The server never lets sendTime go back within a conversation; what it has not taken yet comes last.
function place(message) {
  return message.delivery === "sent" ? message.sendTime : Number.MAX_SAFE_INTEGER;
}
