// `npm run fuzz:xenstore -- --messages N --seed S [--personality P]`.
import { parseArgs } from 'node:util';
import type { Personality } from '../store/limits.js';
import { fuzz } from './fuzz.js';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    personality: { type: 'string' },
  },
});
const [messages, seed] = [Number(values.messages), Number(values.seed)];
if (!Number.isSafeInteger(messages) || messages < 1 || !Number.isSafeInteger(seed)) {
  console.error('fuzz:xenstore: --messages and --seed are whole numbers, --messages at least 1');
  process.exit(2);
}
const personalities: readonly Personality[] =
  values.personality === 'xenstored' || values.personality === 'oxenstored' ? [values.personality] : ['xenstored', 'oxenstored'];
let [passed, failed] = [0, 0];
for (const personality of personalities) {
  const before = process.memoryUsage().heapUsed;
  try {
    const sent = fuzz({
      personality,
      messages,
      seed,
      progress: (done) => {
        if (process.stderr.isTTY) process.stderr.write(`\r${personality}: ${done} of ${messages}`);
      },
    });
    const heapMib = (process.memoryUsage().heapUsed - before) / 1024 / 1024;
    console.log(
      `${personality}: ${sent} messages from seed ${seed}, invariants checked after each; heap ${heapMib >= 0 ? '+' : ''}${heapMib.toFixed(0)} MiB`,
    );
    passed++;
  } catch (error) {
    console.log((error as Error).message);
    console.log((error as Error).cause);
    failed++;
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
