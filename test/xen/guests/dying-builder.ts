// The builder, killed with SIGKILL by itself at the step named in DIE_AT.
import { xenguestMain } from '../../../src/xenguest/real/main.js';

process.exit(
  await xenguestMain(process.argv.slice(2), (step) => {
    if (step === process.env.DIE_AT) process.kill(process.pid, 'SIGKILL');
  }),
);
