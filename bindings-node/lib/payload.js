'use strict';

// What is published or sent, as text or as bytes.

const { types } = require('node:util');

const { typeError } = require('./errors');
const { jsonText } = require('./json-text');

const CODE = 'ERR_BAD_PAYLOAD';

/**
 * A string is text, a buffer or a view of one is its bytes, and any other value its JSON.
 *
 * @param {unknown} payload
 * @param {string} name what it is called in the message of an error
 * @returns {string | Uint8Array}
 */
function toContent(payload, name) {
  if (typeof payload === 'string') return payload;
  if (types.isUint8Array(payload)) return attached(payload, payload.buffer, name);
  if (ArrayBuffer.isView(payload)) {
    const { buffer, byteOffset, byteLength } = attached(payload, payload.buffer, name);
    return new Uint8Array(buffer, byteOffset, byteLength);
  }
  if (types.isAnyArrayBuffer(payload)) return new Uint8Array(attached(payload, payload, name));
  if (payload instanceof Uint8Array) {
    // It says that it is bytes, but nobody outside of JavaScript can look through it.
    throw typeError(CODE, `${name}: a Proxy of bytes: give the bytes themselves`);
  }
  return jsonText(payload, { code: CODE, name });
}

/**
 * Bytes that are there: of a buffer that was transferred nothing is left, which is not the same as having none.
 *
 * @template {{ byteLength: number }} B
 * @param {B} bytes
 * @param {ArrayBufferLike} buffer
 * @param {string} name
 * @returns {B}
 */
function attached(bytes, buffer, name) {
  if (bytes.byteLength > 0 || !isDetached(buffer)) return bytes;
  throw typeError(CODE, `${name}: its memory has been transferred or given away: there is nothing left of it`);
}

/** @param {ArrayBufferLike} buffer */
function isDetached(buffer) {
  if (buffer.byteLength > 0) return false;
  try {
    // Of an empty one there can be a view, of a detached one not.
    return new Uint8Array(buffer).length > 0;
  } catch {
    return true;
  }
}

exports.toContent = toContent;
