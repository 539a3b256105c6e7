// Starts VM `victim` from the state folder argv[2], an HVM guest where argv[4] is `hvm`, or moves
// it to a new domain where that is `migrate`, and kills itself with SIGKILL just before the change
// of the host or of the state that argv[3] counts (from 0). Prints which change that is, or "DONE"
// when there were fewer.
import { writeSync } from 'node:fs';
import type { GuestStreams } from '../../../src/xenguest/xenguest.js';
import { xenHost } from '../../../src/xenopsd/hosts/xen-host.js';
import { createToolstack } from '../../../src/xenopsd/life/toolstack.js';
import { FileMetadata } from '../../../src/xenopsd/store/file-metadata.js';
import { smallHvm } from '../hvm/guest.js';
import { vm } from './host.js';

const [folder, last] = [process.argv[2]!, Number(process.argv[3])];
const victim = process.argv[4] === 'hvm' ? smallHvm('victim') : vm('victim', 'pvh', 1, 32);
let count = 0;
function tick(change: string): void {
  if (count++ !== last) return;
  writeSync(1, `before change ${last}, ${change}`);
  process.kill(process.pid, 'SIGKILL');
}

const CHANGES = new Set<string | symbol>([
  ...['domainCreate', 'domainMaxVcpus', 'domainSetMaxmem', 'setPagingMempoolSize', 'eventChannelAllocUnbound', 'domainUnpause'],
  ...['transactionEnd', 'introduce', 'run', 'start', 'save'],
  ...['move', 'domainDestroy', 'release', 'write'],
]);

/** A write comes to nothing unless its transaction ends, which is counted. */
const isOfTransaction = (name: string, [, , transaction]: readonly unknown[]) => name === 'write' && transaction !== undefined;

/** Of a move: counted also when the guest is suspended, and the builder does not know it yet. */
function withSuspends(streams: GuestStreams): GuestStreams {
  return {
    ...streams,
    move: (save, suspend, restore, run) =>
      streams.move(
        save,
        async () => {
          await suspend();
          tick('guest suspended');
        },
        restore,
        run,
      ),
  };
}

/** The same object, each of its changes counted before it is made. */
function counted<T extends object>(target: T): T {
  return new Proxy(target, {
    get(of, name) {
      const value: unknown = Reflect.get(of, name);
      if (name === 'streams') return counted(withSuspends(value as GuestStreams));
      if (name === 'withFlow') return (...args: unknown[]) => counted((value as (...all: unknown[]) => object).apply(of, args));
      // The client's own transaction() ends it inside, where it is not seen: count the whole.
      if (name !== 'transaction' && !CHANGES.has(name)) return typeof value === 'function' ? value.bind(of) : value;
      return (...args: unknown[]) => {
        if (!isOfTransaction(String(name), args)) tick(String(name));
        return (value as (...all: unknown[]) => unknown).apply(of, args);
      };
    },
  });
}

const host = await xenHost();
const metadata = counted(await FileMetadata.open(folder));
const doors = {
  ...host,
  xc: counted(host.xc),
  xs: counted(host.xs),
  xenguest: counted(host.xenguest),
  deviceModel: counted(host.deviceModel!),
};
const toolstack = await createToolstack(doors, { profile: 'xapi-25.6', policy: 'best_effort', seed: 1, metadata });
if (!toolstack.vms().some(({ spec }) => spec.name === 'victim')) await toolstack.add(victim);
const { failure } = process.argv[4] === 'migrate' ? await toolstack.migrateLocal('victim') : await toolstack.start('victim');
if (failure !== null) throw new Error(failure.message);
console.log('DONE');
process.exit(0);
