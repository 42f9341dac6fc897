// What messages say: the text to show for each kind of content, and the content of what this page sends
// (OpenIM wire, §4.3 and §4.4).

import { sentence } from "./notifications.js";
import { parse, tips } from "./tips.js";

export { tips };

export const TEXT = 101;
export const TYPING = 113;
export const REVOKED = 2101;
export const READ_RECEIPT = 2200;

/** Notifications that somebody's profile has changed: this user's own, or a friend's. */
export const RENAMED = new Set([1209, 1303]);

const NOTIFICATION_FIRST = 1000;

const WITH_CONTENT = new Set([101, 118]);
const WITH_TEXT = new Set([106, 114, 117]);

const LABELS = {
  102: "Picture",
  103: "Voice message",
  104: "Video",
  105: "File",
  107: "Forwarded messages",
  108: "Contact card",
  109: "Location",
  110: "Custom message",
  115: "Sticker",
  119: "Custom message",
  120: "Custom message",
};

const SYSTEM_LINES = {
  1701: "The setting for private messages was changed.",
  [REVOKED]: "This message was withdrawn.",
};

const ALL_OFF = ["history", "persistent", "senderSync", "conversationUpdate", "senderConversationUpdate", "unreadCount", "offlinePush"];

/**
 * {kind, text}: kind is "text", "label" for content that this page can only name, or "system" for a grey line, which speaks of
 * `readerID` as "you".
 */
export function describe(message, readerID) {
  const { contentType } = message;
  if (contentType >= NOTIFICATION_FIRST) return { kind: "system", text: systemLine(message, readerID) };
  if (WITH_CONTENT.has(contentType)) return written(parse(message.content).content);
  if (WITH_TEXT.has(contentType)) return written(parse(message.content).text);
  return { kind: "label", text: label(message) };
}

/** An empty bubble would look like a mistake of this page. */
function written(text) {
  return string(text).trim() ? { kind: "text", text } : { kind: "label", text: "Empty message" };
}

export function textContent(text) {
  return new TextEncoder().encode(JSON.stringify({ content: text }));
}

/** contentType, content and options of a typing signal. */
export function typingSignal(isTyping) {
  return {
    contentType: TYPING,
    content: new TextEncoder().encode(JSON.stringify({ msgTips: isTyping ? "yes" : "no" })),
    options: new Map(ALL_OFF.map((name) => [name, false])),
  };
}

export function isTyping(message) {
  return parse(message.content).msgTips === "yes";
}

function systemLine(message, readerID) {
  if (message.contentType === 1400) return string(tips(message).text) || "Announcement";
  return sentence(message, readerID) || SYSTEM_LINES[message.contentType] || `Notification ${message.contentType}`;
}

function label({ contentType, content }) {
  const name = contentType === 105 ? string(parse(content).fileName) : "";
  const kind = LABELS[contentType] ?? `Message of kind ${contentType}`;
  return name ? `${kind}: ${name}` : kind;
}

function string(value) {
  return typeof value === "string" ? value : "";
}
