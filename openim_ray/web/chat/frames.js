// One WebSocket message of the JSON form: UTF-8 JSON in a binary frame, protobuf inside as base64
// (OpenIM wire, §2.2 and §2.4).

/** A request as the bytes that go out. */
export function encodeFrame({ reqIdentifier, sendID, operationID, msgIncr, data }) {
  const frame = { reqIdentifier, token: "", sendID, operationID, msgIncr, data: toBase64(data) };
  return new TextEncoder().encode(JSON.stringify(frame));
}

/** An answer or push. Throws if the bytes are no such frame. */
export function decodeFrame(buffer) {
  const frame = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(buffer));
  return {
    reqIdentifier: Number(frame.reqIdentifier),
    msgIncr: String(frame.msgIncr ?? ""),
    errCode: Number(frame.errCode ?? 0),
    errMsg: String(frame.errMsg ?? ""),
    data: fromBase64(String(frame.data ?? "")),
  };
}

/** 32 hexadecimal digits. Not crypto.randomUUID: that needs HTTPS or localhost. */
export function randomID() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function toBase64(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
