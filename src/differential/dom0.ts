// The program in dom0 for the differential test: `snapshot` prints the machine, `snapshot whole`
// without a ballast domain, `perform` plays scenarios, one per line.
import { createInterface } from 'node:readline';
import { LiveXen } from '../conformance/hypercalls/live-xen.js';
import type { GeneratedScenario } from './generate.js';
import { DIRTY_KIND } from './memory-kinds.js';
import { performOnXen } from './perform.js';
import { scenarioMachine, takeSnapshot } from './snapshot.js';

const xen = await LiveXen.open();
try {
  if (process.argv[2] === 'snapshot') {
    process.stdout.write(`${JSON.stringify(takeSnapshot(xen, process.argv[3] === 'whole'))}\n`);
  } else {
    const machine = scenarioMachine(xen);
    for await (const line of createInterface({ input: process.stdin })) {
      const { id, tags, steps } = JSON.parse(line) as GeneratedScenario;
      process.stdout.write(`${JSON.stringify({ id, ...performOnXen(xen, machine, steps, tags.includes(DIRTY_KIND)) })}\n`);
    }
  }
} finally {
  xen.close();
}
