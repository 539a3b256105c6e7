// CONTROL of oxenstored, the commands that make sense here; it answers OK to any other.
// Source: tools/ocaml/xenstored/process.ml do_debug (Xen 4.17).
import type { ClientState } from '../client-state.js';
import type { ControlHooks } from '../engine.js';
import type { StoreQuota } from '../limits.js';
import { numberOfString } from './numbers.js';
import type { Store } from './store.js';

const OK = 'OK\0';

export interface ControlState {
  readonly store: Store;
  readonly clients: Iterable<ClientState>;
  readonly quota: StoreQuota;
}

/** Answers the payload of a CONTROL request; it never fails. */
export function control(payload: string, hooks: ControlHooks, { store, clients, quota }: ControlState): string {
  const [command, ...args] = payload.split('\0');
  switch (command) {
    case 'print':
      if (args.length > 0) hooks.print?.(args[0]!);
      return OK;
    case 'quota': {
      const domid = args.length > 0 ? numberOfString(args[0]!) : undefined;
      if (domid === undefined) return OK;
      const owned = store.counts.get(domid);
      return owned === undefined ? `dom${domid} quota: not set\0` : `dom${domid} quota: ${owned}/${quota.nodes}\0`;
    }
    case 'watches': {
      let text = '';
      for (const client of clients) {
        for (const watch of client.watches.values()) {
          text += `watch ${client.domid === 0 ? 'A' : `D${client.domid}`}: ${watch.path.slice(watch.hidden)} ${watch.token}\n`;
        }
      }
      return `${text}\0`;
    }
    case 'live-update':
      if (args[0] === '-s' && hooks.restart !== undefined) hooks.restart();
      return OK;
    default:
      return OK;
  }
}
