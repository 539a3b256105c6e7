// Messages of class host about what the daemon does not have, or does not let clients do to its
// host (ocaml/xapi/xapi_host.ml of xen-api e2ee48d6).
import type { Database } from '../../model/database.js';
import { NULL } from '../../model/schema-types.js';
import { XapiError, xapiErrors } from '../../wire/errors.js';
import type { Method } from '../method.js';
import { assertEdition } from './pool.js';
import { type Action, fails, modelMessage, nothing } from './shape.js';

const UEFI = 'To set UEFI certificates use: `Pool.set_custom_uefi_certificates`';
const NO_SSL = 'Legacy SSL support has been removed';
/** host.display after host.disable_display and host.enable_display. */
const DISPLAY_OFF: Readonly<Record<string, string>> = { enabled: 'disable_on_reboot', enable_on_reboot: 'disabled' };
const DISPLAY_ON: Readonly<Record<string, string>> = { disabled: 'enable_on_reboot', disable_on_reboot: 'enabled' };

export interface HostOptions {
  readonly database: Database;
  /** A host of this process, whose Xen has written nothing to a console. */
  readonly modelled: boolean;
}

export function remainingHostMethods({ database, modelled }: HostOptions): Method[] {
  const one = (name: string, action: Action): Method => modelMessage(database, `host.${name}`, action);
  const display = (next: Readonly<Record<string, string>>): Action => {
    return ([host]) => {
      if (!modelled) throw xapiErrors.notImplemented('host.display');
      const { display: now } = database.get('host', host as string);
      const display = next[now as string] ?? now!;
      database.update('host', host as string, { display });
      return display;
    };
  };
  return [
    one('dmesg', () => {
      if (!modelled) throw xapiErrors.notImplemented('host.dmesg');
      return '';
    }),
    // xapi's own refusals, with its parameters.
    one('dmesg_clear', fails('NOT_IMPLEMENTED', 'dmesg_clear')),
    one('get_log', fails('NOT_IMPLEMENTED', 'get_log')),
    one('list_methods', fails('NOT_IMPLEMENTED', 'list_method')),
    one('disable_display', display(DISPLAY_OFF)),
    one('enable_display', display(DISPLAY_ON)),
    one('compute_memory_overhead', ([host]) => database.get('host', host as string).memory_overhead!),
    one('set_uefi_certificates', fails('OPERATION_NOT_ALLOWED', UEFI)),
    one('set_ssl_legacy', ([, value]) => {
      if (value === true) throw xapiErrors.valueNotSupported('value', 'true', NO_SSL);
    }),
    one('apply_edition', ([host, edition]) => assertEdition(database.get('host', host as string).editions!, edition!)),
    one('license_add', fails('LICENSE_PROCESSING_ERROR')),
    one('refresh_pack_info', nothing),
    one('emergency_clear_mandatory_guidance', nothing),
    one('disable_external_auth', nothing),
    one('enable_external_auth', ([, , , type]) => {
      if (type !== 'AD') throw new XapiError('AUTH_UNKNOWN_TYPE', type as string);
      throw xapiErrors.notImplemented('host.enable_external_auth');
    }),
    one('retrieve_wlb_evacuate_recommendations', fails('WLB_NOT_INITIALIZED')),
    one('local_management_reconfigure', fails('NOT_IN_EMERGENCY_MODE')),
    one('disable_local_storage_caching', ([host]) => database.update('host', host as string, { local_cache_sr: NULL })),
    one('apply_updates', fails('NO_REPOSITORY_ENABLED')),
    one('bugreport_upload', ([, url]) => {
      if (url === '') throw xapiErrors.invalidValue('url', '');
      throw xapiErrors.notImplemented('host.bugreport_upload');
    }),
    one('call_extension', ([, call]) => {
      throw xapiErrors.methodUnknown(nameIn(call as string));
    }),
  ];
}

/** The name in a call of JSON-RPC. There are no extensions, so every call is unknown. */
function nameIn(call: string): string {
  try {
    const { method } = JSON.parse(call) as { method?: unknown };
    return String(method).slice(0, 100);
  } catch {
    throw xapiErrors.internal('the call is not JSON');
  }
}
