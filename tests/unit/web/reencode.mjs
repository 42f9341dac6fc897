// Reads {schema name: hex} from standard input, decodes and encodes each, and writes the same shape.

import { readFileSync } from "node:fs";
import { decode, encode } from "./protobuf.js";
import * as schema from "./schema.js";

const again = ([name, hex]) => {
  const value = decode(schema[name], Uint8Array.from(Buffer.from(hex, "hex")));
  return [name, Buffer.from(encode(schema[name], value)).toString("hex")];
};
const given = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(Object.fromEntries(Object.entries(given).map(again))));
