// What SR.probe finds: the SRs of this pool that use the storage it is asked about, as no other
// storage stands behind the model. The drivers of sm tell it in XML (libs/sm/drivers of sm), and
// list what a missing key may be in the third parameter of their error.
import type { Database } from '../model/database.js';
import { deviceErrors } from '../wire/device-errors.js';
import { XapiError } from '../wire/errors.js';
import type { WireStruct } from '../wire/values.js';
import { DRIVERS } from './drivers.js';

type Config = Readonly<Record<string, string>>;

/** A config that an SR of the type has, of those that are like the one asked about so far. */
const CHOICES: Readonly<Record<string, (known: readonly Config[]) => string>> = {
  serverpath: (known) =>
    list('nfs-exports', known, ({ server, serverpath }) => element('Export', { Target: server!, Path: serverpath!, Accesslist: '*' })),
  targetIQN: (known) =>
    list('iscsi-target-iqns', known, ({ target, targetIQN }, index) =>
      element('TGT', { Index: String(index), IPAddress: target!, TargetIQN: targetIQN! }),
    ),
  SCSIid: (known) => list('iscsi-target', known, ({ SCSIid: id }, index) => element('LUN', { LUNid: String(index), SCSIid: id! })),
};

/**
 * @param type of SR.probe, in any case
 * @returns XML of the SRs that have this device_config
 * @throws XapiError SR_UNKNOWN_DRIVER; SR_BACKEND_FAILURE of the first key that is missing
 */
export function probed(database: Database, type: string, config: Config): string {
  const driver = Object.hasOwn(DRIVERS, type) ? DRIVERS[type]! : null;
  if (driver === null) throw deviceErrors.srUnknownDriver(type);
  // ISOSR.py has none.
  if (type === 'iso') throw new XapiError('SR_OPERATION_NOT_SUPPORTED');
  const given = driver.needs.filter(([key]) => Object.hasOwn(config, key)).map(([key]) => key);
  const known = sameStorage(database, type, config, given);
  const missing = driver.needs.find(([key]) => !given.includes(key));
  if (missing !== undefined) {
    const [key, code] = missing;
    const choices = CHOICES[key]?.(known.map(({ config: one }) => one)) ?? '';
    throw new XapiError(`SR_BACKEND_FAILURE_${code}`, '', `device_config has no ${key}`, choices);
  }
  return list('SRlist', known, ({ sr }) => element('SR', { UUID: String(sr.uuid), name_label: String(sr.name_label) }));
}

function sameStorage(database: Database, type: string, config: Config, keys: readonly string[]) {
  return database.refs('SR').flatMap((ref) => {
    const sr: WireStruct = database.get('SR', ref);
    const [pbd] = sr.PBDs as readonly string[];
    if (sr.type !== type || pbd === undefined) return [];
    const its = database.get('PBD', pbd).device_config as Config;
    return keys.every((key) => its[key] === config[key]) ? [{ sr, config: its }] : [];
  });
}

function list<Item>(name: string, items: readonly Item[], write: (item: Item, index: number) => string): string {
  return `<?xml version="1.0" ?>\n<${name}>\n${items.map(write).join('')}</${name}>\n`;
}

function element(name: string, texts: Config): string {
  const inner = Object.entries(texts).map(([key, text]) => `\t\t<${key}>${escaped(text)}</${key}>\n`);
  return `\t<${name}>\n${inner.join('')}\t</${name}>\n`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
