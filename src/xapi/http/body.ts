// The form in which an answer waits for its reader. Pure.

/** Smaller ones are not worth the copy. */
const LARGE_CHARS = 64 * 1024;

/**
 * Node keeps a string that is not read yet in V8's heap, beside its bytes. Many large answers would
 * fill a small heap, which ends the process; a buffer is outside of it. Its length is also what the
 * answer takes: a character may take three bytes.
 */
export function bodyOf(text: string | Buffer): string | Buffer {
  return typeof text === 'string' && text.length > LARGE_CHARS ? Buffer.from(text) : text;
}
