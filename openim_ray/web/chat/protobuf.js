// A protobuf codec for flat tables of fields: as much of the encoding as the messages in schema.js need.
//
// A schema is an object {fieldName: [number, type]}. Types are "string", "bytes", "bool", "int" (int32, int64 and
// enums), repeated(type), map(keyType, valueType) or another schema. Fields absent on the wire get proto3 defaults,
// unknown fields are skipped.

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

const VARINT_BYTES_MAX = 10;

export const repeated = (type) => ({ repeated: type });
export const map = (key, value) => ({ map: { key: [1, key], value: [2, value] } });

/** Bytes of `value`; fields that hold the default are left out, as proto3 does. */
export function encode(schema, value) {
  const writer = new Writer();
  for (const [name, [number, type]] of Object.entries(schema)) {
    if (value[name] !== undefined) writer.field(number, type, value[name]);
  }
  return writer.bytes();
}

/** The object in `bytes`. Throws RangeError for truncated bytes and for integers that JavaScript can't hold. */
export function decode(schema, bytes) {
  const fields = new Map(Object.entries(schema).map(([name, [number, type]]) => [number, { name, type }]));
  const value = defaults(schema);
  const reader = new Reader(bytes);
  while (!reader.done) {
    const { number, wireType } = reader.tag();
    const field = fields.get(number);
    if (field === undefined || wireType !== wireTypeOf(field.type, wireType)) reader.skip(wireType);
    else reader.into(value, field, wireType);
  }
  return value;
}

function defaults(schema) {
  return Object.fromEntries(Object.entries(schema).map(([name, [, type]]) => [name, defaultOf(type)]));
}

function defaultOf(type) {
  if (type === "string") return "";
  if (type === "bool") return false;
  if (type === "int") return 0;
  if (type === "bytes") return new Uint8Array();
  if (type.repeated) return [];
  if (type.map) return new Map();
  return null; // a message that was not set
}

// Repeated integers come packed or one by one; both are legal, whatever the sender's schema says.
function wireTypeOf(type, seen) {
  if (type === "int" || type === "bool") return VARINT;
  if (type.repeated === "int" && seen === VARINT) return VARINT;
  return LENGTH_DELIMITED;
}

class Writer {
  #bytes = [];

  bytes() {
    return Uint8Array.from(this.#bytes);
  }

  field(number, type, value) {
    if (type === "int" || type === "bool") this.#number(number, Number(value));
    else if (type === "string") this.#block(number, new TextEncoder().encode(value));
    else if (type === "bytes") this.#block(number, value);
    else if (type.repeated === "int") this.#packed(number, value);
    else if (type.repeated) for (const item of value) this.#message(number, type.repeated, item);
    else if (type.map) for (const [key, item] of value) this.#message(number, type.map, { key, value: item });
    else if (value !== null) this.#message(number, type, value);
  }

  #number(number, value) {
    if (value === 0) return;
    this.#tag(number, VARINT);
    this.#varint(value);
  }

  #packed(number, values) {
    const packed = new Writer();
    for (const value of values) packed.#varint(value);
    this.#block(number, packed.bytes());
  }

  #message(number, type, value) {
    // An element counts even when it is empty, so the length is written in any case.
    const bytes = type === "string" ? new TextEncoder().encode(value) : encode(type, value);
    this.#tag(number, LENGTH_DELIMITED);
    this.#varint(bytes.length);
    this.#append(bytes);
  }

  #block(number, bytes) {
    if (bytes.length === 0) return;
    this.#tag(number, LENGTH_DELIMITED);
    this.#varint(bytes.length);
    this.#append(bytes);
  }

  #tag(number, wireType) {
    this.#varint(number * 8 + wireType);
  }

  #varint(value) {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no safe integer`);
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest >= 0x80n; rest >>= 7n) this.#bytes.push(Number(rest & 0x7fn) | 0x80);
    this.#bytes.push(Number(rest));
  }

  #append(bytes) {
    for (const byte of bytes) this.#bytes.push(byte);
  }
}

class Reader {
  #bytes;
  #at = 0;

  constructor(bytes) {
    this.#bytes = bytes;
  }

  get done() {
    return this.#at >= this.#bytes.length;
  }

  tag() {
    const tag = this.#int();
    return { number: Math.floor(tag / 8), wireType: tag % 8 };
  }

  into(value, { name, type }, wireType) {
    if (type.map) {
      const entry = decode(type.map, this.#block());
      value[name].set(entry.key, entry.value ?? decode(type.map.value[1], new Uint8Array()));
    } else if (type.repeated === "int") {
      if (wireType === VARINT) value[name].push(this.#int());
      else value[name].push(...this.#unpack());
    } else if (type.repeated) value[name].push(this.#one(type.repeated));
    else value[name] = this.#one(type);
  }

  skip(wireType) {
    if (wireType === VARINT) this.#varint();
    else if (wireType === FIXED64) this.#take(8);
    else if (wireType === LENGTH_DELIMITED) this.#block();
    else if (wireType === FIXED32) this.#take(4);
    else throw new RangeError(`wire type ${wireType} is unknown`);
  }

  #one(type) {
    if (type === "int") return this.#int();
    if (type === "bool") return this.#varint() !== 0n;
    const block = this.#block();
    if (type === "bytes") return block;
    return type === "string" ? new TextDecoder().decode(block) : decode(type, block);
  }

  #unpack() {
    const packed = new Reader(this.#block());
    const values = [];
    while (!packed.done) values.push(packed.#int());
    return values;
  }

  #int() {
    const value = BigInt.asIntN(64, this.#varint());
    const number = Number(value);
    if (!Number.isSafeInteger(number)) throw new RangeError(`${value} is no safe integer`);
    return number;
  }

  #varint() {
    let value = 0n;
    for (let index = 0; index < VARINT_BYTES_MAX; index += 1) {
      const [byte] = this.#take(1);
      value |= BigInt(byte & 0x7f) << BigInt(7 * index);
      if (byte < 0x80) return value;
    }
    throw new RangeError("a number is longer than 10 bytes");
  }

  #block() {
    return this.#take(this.#int());
  }

  #take(count) {
    if (count < 0 || count > this.#bytes.length - this.#at) throw new RangeError("the message is cut short");
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
}
