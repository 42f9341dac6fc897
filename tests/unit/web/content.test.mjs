// What is shown of messages, whatever is in them.

import assert from "node:assert/strict";
import test from "node:test";
import * as content from "./content.js";

const message = (contentType, value) => ({
  contentType,
  content: new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value)),
});

test("texts of every kind are shown as text", () => {
  assert.deepEqual(content.describe(message(101, { content: "hi" })), { kind: "text", text: "hi" });
  for (const kind of [106, 114, 117]) assert.equal(content.describe(message(kind, { text: "hi" })).text, "hi");
});

test("what the page can't show is named", () => {
  assert.deepEqual(content.describe(message(105, { fileName: "a.pdf" })), { kind: "label", text: "File: a.pdf" });
  assert.deepEqual(content.describe(message(999, {})), { kind: "label", text: "Message of kind 999" });
  assert.equal(content.describe(message(2101, {})).kind, "system");
});

test("an empty text, no JSON, or JSON of another shape, is no empty bubble", () => {
  for (const value of ["", "{", "null", "7", '"x"', '{"content":7}', '{"content":{"a":1}}', '{"content":" "}'])
    assert.deepEqual(content.describe(message(101, value)), { kind: "label", text: "Empty message" });
  assert.deepEqual(content.tips(message(2200, { detail: "not JSON" })), {});
});

test("notifications carry JSON in JSON", () => {
  const told = { markAsReadUserID: "bob", seqs: [1] };
  assert.deepEqual(content.tips(message(2200, { detail: JSON.stringify(told) })), told);
});

test("a typing signal is stored nowhere", () => {
  const signal = content.typingSignal(true);
  assert.equal(content.isTyping(signal), true);
  assert.deepEqual(new Set(signal.options.values()), new Set([false]));
  assert.equal(content.isTyping(content.typingSignal(false)), false);
});
