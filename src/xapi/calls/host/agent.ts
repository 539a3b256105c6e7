// The messages about a host's agent, which is this daemon: its restart, its certificate, its data
// sources' file (ocaml/xapi/xapi_host.ml of xen-api e2ee48d6).
import type { Database } from '../../model/database.js';
import type { RrdStore } from '../../rrd/store.js';
import { xapiErrors } from '../../wire/errors.js';
import { structOf, type WireFloat, type WireStruct } from '../../wire/values.js';
import type { Method } from '../method.js';
import { type Action, modelMessage } from '../remaining/shape.js';

export interface AgentOptions {
  readonly database: Database;
  readonly rrds: RrdStore;
  /** A host of this process. */
  readonly modelled: boolean;
  /** What clients get by TLS, in PEM; null = no TLS. */
  readonly certificate: string | null;
}

/** A backup after a year is none. */
const MOST_DELAY_SECONDS = 24 * 3600;

export function agentMethods({ database, rrds, modelled, certificate }: AgentOptions): Method[] {
  const one = (name: string, action: Action): Method => modelMessage(database, `host.${name}`, action);
  return [
    one('get_server_certificate', () => {
      if (certificate === null) throw xapiErrors.notImplemented('host.get_server_certificate');
      return leafOf(certificate);
    }),
    one('restart_agent', ([host]) => {
      if (!modelled) throw xapiErrors.notImplemented('host.restart_agent');
      const config = database.get('host', host as string).other_config as WireStruct;
      // Clients wait until it is later than before.
      const before = Number.parseInt(String(config.agent_start_time ?? '0'), 10) || 0;
      const started = Math.max(Math.floor(Date.now() / 1000), before + 1);
      database.update('host', host as string, { other_config: structOf({ ...config, agent_start_time: `${started}.` }) });
    }),
    one('backup_rrds', ([, delay]) => {
      const seconds = (delay as WireFloat).value;
      if (!(seconds >= 0 && seconds <= MOST_DELAY_SECONDS)) throw xapiErrors.invalidValue('delay', String(seconds));
      rrds.saveAfter(seconds * 1000);
    }),
  ];
}

/** The first certificate; those after it are of the authorities. */
function leafOf(chain: string): string {
  return `${/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/.exec(chain)?.[0] ?? chain.trim()}\n`;
}
