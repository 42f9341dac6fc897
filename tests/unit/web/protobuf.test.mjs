// What the codec does with bytes that no honest server sends.

import assert from "node:assert/strict";
import test from "node:test";
import { decode, encode, repeated } from "./protobuf.js";

const bytes = (...values) => Uint8Array.from(values);
const ONE = { number: [1, "int"], text: [2, "string"] };

test("a number above 2^53 is refused, not rounded", () => {
  assert.throws(() => decode(ONE, bytes(0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10)), RangeError);
  assert.throws(() => encode(ONE, { number: 2 ** 53 }), RangeError);
});

test("negative numbers are understood", () => {
  assert.equal(decode(ONE, encode(ONE, { number: -62135596800000 })).number, -62135596800000);
});

test("truncated and endless values are refused", () => {
  assert.throws(() => decode(ONE, bytes(0x12, 5, 0x61)), RangeError);
  assert.throws(() => decode(ONE, bytes(0x08, 0x80)), RangeError);
  assert.throws(() => decode(ONE, bytes(0x08, ...new Array(11).fill(0x80))), RangeError);
  assert.throws(() => decode(ONE, bytes(0x0b)), RangeError);
});

test("unknown fields of every kind and known ones of another kind are skipped", () => {
  const unknown = [0x18, 1, 0x21, 0, 0, 0, 0, 0, 0, 0, 0, 0x2a, 1, 9, 0x35, 0, 0, 0, 0, 0x0a, 1, 7];
  assert.deepEqual(decode(ONE, bytes(...unknown, 0x08, 42)), { number: 42, text: "" });
});

test("repeated numbers are read packed and unpacked", () => {
  const list = { seqs: [3, repeated("int")] };
  assert.deepEqual(decode(list, bytes(0x1a, 2, 1, 2, 0x18, 3)).seqs, [1, 2, 3]);
});

test("text that is no UTF-8 doesn't throw", () => {
  assert.equal(decode(ONE, bytes(0x12, 1, 0xff)).text, "\ufffd");
});
