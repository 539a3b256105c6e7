// What runs in dom0 for the differential test: `snapshot` prints the machine, `perform` plays scenarios, a line each. Box of the chart:
// none; the differential test.
import { createInterface } from 'node:readline';
import { LiveXen } from '../conformance/live-xen.js';
import type { Step } from '../conformance/scenario.js';
import { performOnXen } from './perform.js';
import { scenarioMachine, takeSnapshot } from './snapshot.js';

const xen = await LiveXen.open();
try {
  if (process.argv[2] === 'snapshot') {
    process.stdout.write(`${JSON.stringify(takeSnapshot(xen))}\n`);
  } else {
    const machine = scenarioMachine({
      machine: xen.machine,
      freePages: [],
      heap: [],
      dom0: { vcpus: 0, hard: [], nodes: [], pages: 0, maxPages: 0 },
    });
    for await (const line of createInterface({ input: process.stdin })) {
      const { id, steps } = JSON.parse(line) as { id: number; steps: Step[] };
      process.stdout.write(`${JSON.stringify({ id, ...performOnXen(xen, machine, steps) })}\n`);
    }
  }
} finally {
  xen.close();
}
