// Memory of the store a node and a watch: what the heap of a process of its own holds after a full
// collection, over many of them. `node --expose-gc bench/xenstore-memory.mjs`, of which `npm run
// bench:xenstore` prints the lines.
import { createXenstore } from '../dist/xenstore.js';

const DOMAINS = 1000;
const KEYS = 100;
const heldBytes = () => {
  for (let times = 0; times < 3; times++) globalThis.gc();
  return process.memoryUsage().heapUsed;
};
for (const personality of ['xenstored', 'oxenstored']) {
  const xs = createXenstore({ personality }).connect(0);
  await xs.write('/local/domain/1/d/key-0', 'warm');
  await (await xs.watch('/local/domain/1', 't')).close();
  const empty = heldBytes();
  for (let domid = 1000; domid < 1000 + DOMAINS; domid++) {
    for (let key = 0; key < KEYS; key++) await xs.write(`/local/domain/${domid}/d/key-${key}`, `value-${key}`);
  }
  const withNodes = heldBytes();
  const nodes = DOMAINS * (KEYS + 2);
  const watches = [];
  for (let domid = 1000; domid < 1000 + DOMAINS; domid++) {
    for (let key = 0; key < 20; key++) watches.push(await xs.watch(`/local/domain/${domid}/d/key-${key}`, 't'));
  }
  const withWatches = heldBytes();
  console.log(
    `${personality}: ${nodes} nodes, ${Math.round((withNodes - empty) / nodes)} bytes each; ` +
      `${watches.length} watches with their client's queues, ${Math.round((withWatches - withNodes) / watches.length)} bytes each`,
  );
  await xs.close();
}
