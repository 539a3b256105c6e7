// The reasons why no host takes a VM, host by host (cli_operations.ml of xen-api e2ee48d6,
// hook_no_hosts_available).
import { XapiError } from '../xapi-client/errors.js';
import { asText } from '../xapi-client/values.js';
import type { XeContext } from './context.js';
import { HOST } from './host-class.js';
import { allObjects } from './objects.js';
import type { Printer, ShownField } from './print.js';

interface Reporting {
  readonly context: XeContext;
  readonly printer: Printer;
}

const REASONS: Readonly<Record<string, (params: readonly string[]) => string>> = {
  HOST_DISABLED: () => "Host disabled (use 'xe host-enable' to re-enable)",
  HOST_NOT_ENOUGH_FREE_MEMORY: () => 'Not enough free memory',
  HOST_NOT_ENOUGH_PCPUS: ([vcpus, pcpus]) => `Not enough CPUs (VM needs ${vcpus}, but host has ${pcpus})`,
  INVALID_VALUE: ([key, value]) => `Field has invalid value: ${key} = ${value}`,
};

/** A start that no host takes: each host with its reason goes before the error. */
export async function withHostReport(run: Reporting, vm: string, start: () => Promise<void>): Promise<void> {
  try {
    await start();
  } catch (error) {
    if (error instanceof XapiError && error.code === 'NO_HOSTS_AVAILABLE') {
      run.printer.list([
        'There are no suitable hosts to start this VM on.',
        'The following table provides per-host reasons for why the VM could not be started:',
        '',
      ]);
      await printHostReport(run, vm);
    }
    throw error;
  }
}

/** Why a host refuses a VM, in xe's words. */
export function reasonText({ code, params }: XapiError): string {
  return REASONS[code]?.(params) ?? `Server_error(${[code, ...params].join(', ')})`;
}

/** Each host with whether it takes a VM. */
export async function printHostReport({ context, printer }: Reporting, vm: string): Promise<void> {
  const rows: ShownField[] = [];
  for (const { ref, record } of await allObjects(context, HOST)) {
    const reason = await context.session.call('VM.assert_can_boot_here', [vm, ref]).then(
      () => 'OK',
      (error: unknown) => {
        if (!(error instanceof XapiError)) throw error;
        return `Cannot start here [${reasonText(error)}]`;
      },
    );
    rows.push({ name: asText(record.name_label), mark: '', value: reason, json: reason });
  }
  printer.table([rows]);
}
