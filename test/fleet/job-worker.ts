// A worker for test/fleet/jobs.test.ts, to be killed at any moment. It writes a line for each job
// that it starts.
import { appendFileSync } from 'node:fs';
import { connectFleet } from '../../src/fleet/store/connect.js';
import { Jobs } from '../../src/fleet/work/jobs.js';
import { Seal } from '../../src/fleet/work/seal.js';

const [url = '', file = ''] = process.argv.slice(2);
const connection = await connectFleet({ url }, 'worker', true);
const jobs = await Jobs.open(connection, 3, new Seal(null));
await jobs.work(async (job, id) => {
  appendFileSync(file, `${id}\n`);
  const { ms, characters = 0 } = job as { readonly ms: number; readonly characters?: number };
  await new Promise((done) => setTimeout(done, ms));
  return { text: 'x'.repeat(characters), by: process.pid, run: process.hrtime.bigint().toString() };
}, new AbortController().signal);
