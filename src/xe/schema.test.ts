// xe and the daemon's schema agree: every field that xe shows of a class exists in the daemon's
// class, and every error of the daemon has xe's wording.
import { describe, expect, it } from 'vitest';
import { DATAMODEL } from '../xapi/model/datamodel.js';
import { CLASSES } from '../xapi/model/schema.js';
import { deviceErrors } from '../xapi/wire/device-errors.js';
import { JOINING_CODES, joiningError, type XapiError, xapiErrors } from '../xapi/wire/errors.js';
import { networkErrors } from '../xapi/wire/network-errors.js';
import { XE_CLASSES } from './commands.js';
import { tellServerError } from './failures.js';

const OTHER_PARAMETERS = [
  ...['VM_IS_TEMPLATE', 'NO_HOSTS_AVAILABLE', 'DOMAIN_EXISTS', 'OPERATION_PARTIALLY_FAILED'],
  ...['VDI_IN_USE', 'VDI_IS_SHARABLE', 'NETWORK_CONTAINS_VIF', 'NETWORK_CONTAINS_PIF', 'VM_CANNOT_DELETE_DEFAULT_TEMPLATE'],
  'PIF_IS_PHYSICAL',
];

describe('what the daemon refuses', () => {
  const joining = Object.fromEntries(JOINING_CODES.map((code) => [code, () => joiningError(code)]));
  it.each(Object.entries({ ...xapiErrors, ...deviceErrors, ...networkErrors, ...joining }))(
    '%s: xe has words for it, and names for its parameters',
    (_name, make) => {
      const { code, params } = (make as (...args: string[]) => XapiError)('a', 'b', 'c', 'd');
      // xe words this one differently (failures.ts).
      if (code === 'SESSION_AUTHENTICATION_FAILED') return;
      // Their codes are in no catalogue, and xe prints them bare (datamodel_errors.ml).
      if (code === 'VM_IS_SNAPSHOT' || code === 'REVERT_ONLY_ALLOWED_ON_SNAPSHOT' || code === 'Fault') return;
      // xapi gives these other parameters than its catalogue counts, and xe shows it.
      if (OTHER_PARAMETERS.includes(code)) return;
      const lines = tellServerError(code, params);
      expect(lines).not.toBeNull();
      expect(lines!.slice(1).filter((line) => /<extra>|<unknown>/.test(line))).toEqual([]);
    },
  );
});

describe.each(XE_CLASSES)('xe $name', ({ apiClass, fields }) => {
  it('shows no field that the daemon has not', () => {
    const served = (CLASSES.get(apiClass) ?? DATAMODEL.get(apiClass))?.fields;
    // Of later versions of xapi than the daemon's model.
    if (served === undefined) return expect(['Host_driver', 'Driver_variant', 'Caller', 'Rate_limit']).toContain(apiClass);
    expect(fields.filter(({ key }) => !(key in served)).map(({ name }) => name)).toEqual([]);
  });
});
