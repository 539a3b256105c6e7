// The page's data as JSON, in small steps: a host of thousands of VMs makes megabytes of it.
import { pageDataSteps } from './page-data.js';

/** `hosts`, one of them, its `map`, `domains`, and one of them: what is deeper is small. */
const DEPTH = 5;

/** The same text as JSON.stringify of pageData, which has no values that JSON lacks. */
export function* pageTextSteps(...input: Parameters<typeof pageDataSteps>): Generator<void, string> {
  const parts: string[] = [];
  yield* write(yield* pageDataSteps(...input), DEPTH, parts);
  return parts.join('');
}

function* write(value: unknown, depth: number, parts: string[]): Generator<void, void> {
  if (depth === 0 || typeof value !== 'object' || value === null) {
    parts.push(JSON.stringify(value) ?? 'null');
    return;
  }
  const isList = Array.isArray(value);
  parts.push(isList ? '[' : '{');
  let isFirst = true;
  for (const [key, one] of Object.entries(value)) {
    if (one === undefined && !isList) continue;
    if (!isFirst) parts.push(',');
    isFirst = false;
    if (!isList) parts.push(JSON.stringify(key), ':');
    yield* write(one, depth - 1, parts);
  }
  parts.push(isList ? ']' : '}');
  yield;
}
