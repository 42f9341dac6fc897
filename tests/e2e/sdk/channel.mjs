/**
 * The child's end of a channel (tests/e2e/channel.py): one JSON object a line, calls in, answers and events out.
 *
 * in:  {"id": 1, "method": "fill", "params": ["#text", "hello"]}
 * out: {"id": 1, "result": null}   {"id": 1, "error": {"code": 1506, "message": "..."}}   {"event": "http", "source": "page-1", "data": {...}}
 */
import { createInterface } from "node:readline";

// What a library prints must not come between the lines of the channel.
for (const level of ["log", "info", "debug", "warn", "error"]) {
  console[level] = (...values) => process.stderr.write(`${values.map(shown).join(" ")}\n`);
}

function shown(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function write(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Tell the parent that something happened at `source`. */
export function emit(event, source, data) {
  write({ event, source, data });
}

/** Answer calls with the functions of `methods`, several at a time, until the parent closes the channel; then call `end`. */
export function serve(methods, end = () => {}) {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => void answer(methods, JSON.parse(line)));
  lines.on("close", async () => {
    await end();
    process.exit(0);
  });
}

async function answer(methods, { id, method, params }) {
  try {
    write({ id, result: (await methods[method](...params)) ?? null });
  } catch (error) {
    write({ id, error: described(error) });
  }
}

/** The SDKs reject with {errCode, errMsg}, everything else with an Error. */
function described(error) {
  return { code: error?.errCode ?? 0, message: String(error?.errMsg || error?.message || shown(error)) };
}
