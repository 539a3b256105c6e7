// One contract for every connection: to the store of this process, to our server, and to both real
// daemons.
import { describe } from 'vitest';
import { connectXenstore } from '../../src/xenstore/client/connect.js';
import { contract, type Subject } from '../support/xenstore-contract.js';
import { type Daemon, REAL, startOurs, startReal, WHY_NOT_REAL } from './daemons.js';

const PERSONALITIES = ['xenstored', 'oxenstored'] as const;

const overSocket = (daemon: Daemon): Subject => ({ connect: () => connectXenstore({ path: daemon.socket }), end: () => daemon.stop() });

for (const personality of PERSONALITIES) {
  describe(`${personality}, our server`, () => {
    contract(personality, async () => overSocket(await startOurs(personality)));
  });
  describe.skipIf(!REAL)(`${personality}, Debian's (${WHY_NOT_REAL})`, () => {
    contract(personality, async () => overSocket(await startReal(personality)));
  });
}
