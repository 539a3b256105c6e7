// The commands of xe that set the memory and the vCPUs of VMs, and those about data sources
// (cli_operations.ml of xen-api e2ee48d6).
import { asRecord, asText, type Json } from '../../xapi-client/values.js';
import type { XeCommand } from '../command.js';
import { XeFailure } from '../failures.js';
import { parseBytes, type XeObject } from '../field.js';
import { forHosts } from '../host-commands.js';
import { flag, required } from '../objects.js';
import { forVms, type Run } from '../operations.js';
import type { ShownField } from '../print.js';

/** What a command needs, and how its words become a call on each VM. */
function setting(needs: readonly string[], help: string, method: string, valuesOf: (run: Run) => readonly unknown[]): XeCommand {
  return {
    required: needs,
    optional: [],
    help,
    selectsVms: true,
    run: async (run) => {
      const values = valuesOf(run);
      await forVms(run, async (vm) => void (await run.context.session.call(method, [vm.ref, ...values])), {
        ignored: needs,
        controlDomains: true,
      });
    },
  };
}

const bytesOf =
  (...names: readonly string[]) =>
  ({ params }: Run) =>
    names.map((name) => parseBytes(name, required(params, name)));

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new XeFailure("Failed to parse parameter 'new-vcpus': expecting an integer");
  return Number(text);
}

const RANGE = ['min', 'max'] as const;
const LIMITS = ['static-min', 'static-max', 'dynamic-min', 'dynamic-max'] as const;

const settings: readonly (readonly [string, XeCommand])[] = [
  ['vm-memory-set', setting(['memory'], 'Sets all limits of the memory of VMs to one value.', 'VM.set_memory', bytesOf('memory'))],
  ['vm-memory-limits-set', setting(LIMITS, 'Sets the limits of the memory of VMs.', 'VM.set_memory_limits', bytesOf(...LIMITS))],
  [
    'vm-memory-static-range-set',
    setting(RANGE, 'Sets the static range of the memory of halted VMs.', 'VM.set_memory_static_range', bytesOf(...RANGE)),
  ],
  [
    'vm-memory-dynamic-range-set',
    setting(RANGE, 'Sets the dynamic range of the memory of VMs.', 'VM.set_memory_dynamic_range', bytesOf(...RANGE)),
  ],
  [
    'vm-memory-target-set',
    setting(['target'], 'Sets both ends of the dynamic range of the memory of VMs.', 'VM.set_memory_dynamic_range', (run) => {
      const [target] = bytesOf('target')(run);
      return [target, target];
    }),
  ],
  [
    'vm-vcpu-hotplug',
    setting(['new-vcpus'], 'Sets the number of vCPUs of running VMs.', 'VM.set_VCPUs_number_live', ({ params }) => [
      wholeNumber(required(params, 'new-vcpus')),
    ]),
  ],
];

type Objects = (run: Run, ignored: readonly string[], work: (object: XeObject) => Promise<void>) => Promise<void>;

const SHOWN = ['name_label', 'name_description', 'enabled', 'standard', 'min', 'max', 'units'] as const;

/** As OCaml's string_of_float writes it: a whole number keeps its point. */
function shownFloat(value: unknown): string {
  const number = typeof value === 'number' ? value : Number.POSITIVE_INFINITY;
  if (!Number.isFinite(number)) return number < 0 ? '-inf' : 'inf';
  return Number.isInteger(number) ? `${number}.` : String(number);
}

function shownSource(source: Json): readonly ShownField[] {
  return SHOWN.map((name) => {
    const value = source[name];
    return { name, mark: '', value: name === 'min' || name === 'max' ? shownFloat(value) : String(value), json: value };
  });
}

function dataSources(name: string, apiClass: string, objects: Objects, selectsVms: boolean): (readonly [string, XeCommand])[] {
  const command = (verb: string, needs: readonly string[], help: string, work: (run: Run, ref: string) => Promise<void>) =>
    [
      `${name}-data-source-${verb}`,
      {
        required: needs,
        optional: [],
        help,
        ...(selectsVms ? { selectsVms: true as const } : {}),
        run: (run: Run) => objects(run, needs, ({ ref }) => work(run, ref)),
      },
    ] as const;
  const named = (run: Run) => required(run.params, 'data-source');
  return [
    command('list', [], `Lists the data sources of the ${name}.`, async ({ context, printer }, ref) => {
      const all = (await context.session.call(`${apiClass}.get_data_sources`, [ref])) as readonly unknown[];
      printer.table(all.map((one) => shownSource(asRecord(one))));
    }),
    command('query', ['data-source'], 'Prints the newest value of a data source.', async (run, ref) => {
      const value = Number(await run.context.session.call(`${apiClass}.query_data_source`, [ref, named(run)]));
      run.printer.list([Number.isFinite(value) ? value.toFixed(6) : asText(String(value))]);
    }),
    command('record', ['data-source'], 'Records a data source from now on.', async (run, ref) => {
      await run.context.session.call(`${apiClass}.record_data_source`, [ref, named(run)]);
    }),
    command('forget', ['data-source'], 'Records a data source no longer, and forgets its values.', async (run, ref) => {
      await run.context.session.call(`${apiClass}.forget_data_source_archives`, [ref, named(run)]);
    }),
  ];
}

export const SETTINGS: readonly (readonly [string, XeCommand])[] = [
  ...settings,
  ...dataSources('vm', 'VM', (run, ignored, work) => forVms(run, work, { ignored, controlDomains: true }), true),
  ...dataSources('host', 'host', forHosts, false),
  [
    'vm-reset-powerstate',
    {
      required: [],
      optional: ['force'],
      help: 'Sets the record of VMs whose domain is gone to halted.',
      selectsVms: true,
      run: async (run) => {
        if (!flag(run.params, 'force')) throw new XeFailure('vm-reset-powerstate can lose track of a domain that runs; add --force');
        await forVms(run, async (vm) => void (await run.context.session.call('VM.power_state_reset', [vm.ref])));
      },
    },
  ],
];
