// What can go wrong, in words a person can use: what happened, and what to do about it.

/** Codes after which the token is of no use any more (OpenIM wire, §1.5). */
const TOKEN_CODES = new Set([1501, 1502, 1503, 1504, 1505, 1506, 1507]);

/** Codes that stand for many things: the server's own words say for which. */
const VAGUE_CODES = new Set([500, 1001, 1002, 1004, 1099]);

const TOKEN_COMMAND = "openim-ray user token USER --platform web";
const NEW_TOKEN = ["Get a new token on the server:", TOKEN_COMMAND];
const NEW_LOGIN = ["Sign in again with a new token:", TOKEN_COMMAND];
const TRY_LATER = "Try again in a moment. If it stays, look at the server's log.";

// What happened, what to do about it, and the command that does it. Numbers come from the server (OpenIM wire, §6.2), words from this page.
const TABLE = {
  500: ["The server made a mistake.", "Try again. If it stays, please report it with the server's log."],
  1001: ["The server did not accept this request.", "Its own words below say what is wrong."],
  1002: ["You are not allowed to do this.", "Sign in as the right user, or ask an administrator."],
  1004: ["The server does not know this user, group or message.", "Check the spelling."],
  1099: ["This server cannot do that yet.", "docs/compatibility.md lists what is built."],
  1101: ["The server does not know this user.", "Check the spelling, or add the user:", "openim-ray user add USER"],
  1201: ["The server does not know this group.", "Check the id. It may have been dismissed."],
  1202: ["There is a group with this id already.", "Choose another id."],
  1203: ["You are not a member of this group.", "Ask a member to invite you."],
  1204: ["This group was dismissed.", "Nobody can write here any more."],
  1206: ["This application was answered already.", "Somebody else was faster."],
  1301: ["That is you.", "Enter the id of somebody else."],
  1304: ["You are friends already.", "Look into your list of friends."],
  1305: ["This application was answered already.", "Perhaps in another tab or on another device."],
  1302: ["This person does not take messages from you.", "You are on their block list."],
  1303: ["Only friends can write to this person.", "Ask them to add you as a friend first."],
  1402: ["You are muted in this group.", "Wait, or ask an administrator of the group."],
  1403: ["This group is muted.", "Only its administrators can write."],
  1501: ["Your token has expired.", ...NEW_TOKEN],
  1502: ["This token belongs to another user or another platform.", "Check the user id. The token must be for web:", TOKEN_COMMAND],
  1503: ["This is not a token.", "Copy it whole, without spaces or line ends."],
  1504: ["This token is not valid yet.", "Check the clock of the computer that made it."],
  1505: ["The server did not make this token.", ...NEW_TOKEN],
  1506: ["You were signed out, because a newer sign-in took this one's place.", ...NEW_LOGIN],
  1507: ["The server does not know this token any more.", ...NEW_TOKEN],
  1601: ["The server holds as many connections as it may.", "The page tries again by itself."],
  1602: ["The server did not accept the connection's parameters.", "Reload the page."],
  90002: ["The server's storage does not answer.", TRY_LATER],
  90004: ["A part of the server does not answer.", TRY_LATER],
  90007: ["The server found damaged data.", "Please look at the server's log."],
  KICKED: ["You were signed out: this user signed in somewhere else, with a newer token.", ...NEW_LOGIN],
  NO_SERVER: ["The server cannot be reached.", "Is it running? The page tries again by itself."],
  NO_SOCKET: ["The server's WebSocket address does not let us in.", "The server may be full or about to start; the page tries again by itself. If it stays, check the address."],
  LOST: ["The connection was lost.", "The page tries again by itself."],
  NO_PONG: ["The server stopped answering.", "The page connects again by itself."],
  NO_ANSWER: ["No answer came within 10 seconds.", "Trying again is safe, nothing is sent twice."],
  BAD_ANSWER: ["The server's answer could not be read.", "Reload the page. If it stays, page and server do not match."],
  BLOCKED: ["The browser refused to open the connection.", "The page was served with a Content-Security-Policy for another WebSocket address, or a page with HTTPS was given a ws:// address. Check the public URLs in the server's configuration."],
  TOO_LONG: ["This message is too long.", "Send it in parts: a message may have 36,000 bytes, which is about as many letters."],
  TOO_MUCH: ["Too many messages wait to be sent.", "Wait until the connection is back."],
  NO_HISTORY: ["The server did not send these older messages.", TRY_LATER],
  NO_NAME: ["The group needs a name.", "Enter one."],
  NOBODY: ["Nobody was chosen.", "Tick a friend or enter a user id."],
  YOURSELF: ["That is you.", "Enter the id of somebody else."],
  EMPTY: ["Something is missing.", "Fill in both the user id and the token."],
};

export class Fault extends Error {
  /**
   * @param code a number of the server or a name from TABLE
   * @param detail the server's own words
   */
  constructor(code, detail = "") {
    const [what, advice, command = ""] = TABLE[code] ?? ["The server refused.", "Its own words below say why."];
    super(what);
    this.code = code;
    this.advice = advice;
    this.command = command;
    this.detail = detail;
  }

  /** What happened is only told by the detail. */
  get isVague() {
    return VAGUE_CODES.has(this.code) || !(this.code in TABLE);
  }

  /** The token is of no use any more: only a new sign-in helps. */
  get endsLogin() {
    return this.code === "KICKED" || TOKEN_CODES.has(this.code);
  }
}

/** Any error as a Fault; what is none of ours is a mistake of this page or an answer that makes no sense. */
export function asFault(error) {
  if (error instanceof Fault) return error;
  console.error(error);
  return new Fault("BAD_ANSWER", String(error?.message ?? error));
}
