// All messages of storage and networks, and the refusals of messages that need something outside of
// the model.
import { DATAMODEL } from '../../model/datamodel.js';
import { deviceErrors } from '../../wire/device-errors.js';
import { xapiErrors } from '../../wire/errors.js';
import type { Method } from '../method.js';
import { linkMethods } from './links.js';
import { type DeviceParts, deviceMessage } from './message.js';
import { networkMethods } from './network.js';
import { pifMethods } from './pif.js';
import { srMethods } from './sr.js';
import { srServiceMethods } from './sr-service.js';
import { vbdMethods } from './vbd.js';
import { vdiMethods } from './vdi.js';

/** Nothing stands behind these messages; they answer with a code of xapi's. */
export const REFUSED_MESSAGES: readonly string[] = [
  'SR.create_new_blob',
  'network.create_new_blob',
  ...['db_forget', 'db_introduce'].map((name) => `PIF.${name}`),
];

export function deviceMethods(parts: DeviceParts): Method[] {
  return [
    ...vbdMethods(parts),
    ...vdiMethods(parts),
    ...srMethods(parts),
    ...srServiceMethods(parts),
    ...networkMethods(parts),
    ...pifMethods(parts),
    ...linkMethods(parts),
    ...REFUSED_MESSAGES.map((name) => refusal(parts, name)),
  ];
}

/**
 * What xapi answers where the storage driver lacks a feature, and NOT_IMPLEMENTED where networks
 * are concerned.
 */
function refusal({ database }: DeviceParts, full: string): Method {
  const [type, name] = full.split('.') as [string, string];
  return deviceMessage(database, type, name, (args) => {
    const first = DATAMODEL.get(type)!.messages.get(name)!.params![0]?.type;
    const target = typeof first === 'object' && 'ref' in first ? first.ref : null;
    if (target !== null) database.get(target, args[0] as string);
    if (target === 'SR') throw deviceErrors.srNotSupported(args[0] as string);
    if (target === 'VDI') throw deviceErrors.srNotSupported(database.get('VDI', args[0] as string).SR as string);
    throw xapiErrors.notImplemented(full);
  });
}
