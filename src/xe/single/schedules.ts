// Commands of xe on schedules of snapshots, disaster recovery, and limits of callers
// (cli_operations.ml of xen-api e2ee48d6).
import { asText } from '../../xapi-client/values.js';
import { paramOf } from '../command-line.js';
import { XeFailure } from '../failures.js';
import type { Run } from '../operations.js';
import { type Named, oneCall } from './calls.js';
import { asTable, asUuidOf, type Print } from './prints.js';
import { float, integer, listed, maybe, oneOf, pairs, record, truthOr, uuid, word } from './words.js';

const SCHEDULES: readonly Named[] = [
  oneCall(
    'vmss-create',
    'Makes a schedule of snapshots; prints its uuid.',
    'VMSS.create',
    [
      record({
        name_label: word('name-label'),
        name_description: maybe('name-description'),
        enabled: truthOr('enabled', true),
        type: oneOf('type', ['snapshot', 'checkpoint', 'snapshot_with_quiesce']),
        retained_snapshots: integer('retained-snapshots', 7),
        frequency: oneOf('frequency', ['hourly', 'daily', 'weekly']),
        schedule: pairs('schedule'),
      }),
    ],
    asUuidOf('VMSS'),
  ),
  oneCall('vmss-destroy', 'Destroys a schedule of snapshots; the snapshots stay.', 'VMSS.destroy', [uuid('VMSS')]),
  oneCall(
    'drtask-create',
    'Attaches storage of another pool for its recovery; prints the uuid of the task.',
    'DR_task.create',
    [word('type'), pairs('device-config'), listed('sr-whitelist')],
    asUuidOf('DR_task'),
  ),
  oneCall('drtask-destroy', 'Detaches storage of another pool.', 'DR_task.destroy', [uuid('DR_task')]),
];

async function createCaller({ context: { session }, params, printer }: Run): Promise<void> {
  const [agent, address] = [paramOf(params, 'user-agent') ?? '', paramOf(params, 'client-ip') ?? ''];
  if (agent === '' && address === '') throw new XeFailure('Give user-agent or client-ip');
  const names = [paramOf(params, 'name-label') ?? '', paramOf(params, 'name-description') ?? ''];
  const caller = await session.call('Caller.create', [...names, agent, address]);
  printer.list([asText(await session.call('Caller.get_uuid', [caller]))]);
}

async function queryUsage(run: Run): Promise<void> {
  const { session } = run.context;
  const [one, group] = [paramOf(run.params, 'uuid'), paramOf(run.params, 'group')];
  if ((one === undefined) === (group === undefined)) throw new XeFailure('Give one of uuid and group');
  const of = one === undefined ? group : await session.call('Caller.get_by_uuid', [one]);
  const kind = one === undefined ? 'query_group' : 'query';
  const [tokens, calls] = [await session.call(`Caller.${kind}_token_usage`, [of]), await session.call(`Caller.${kind}_call_count`, [of])];
  asTable(run, [
    ['tokens', asText(tokens)],
    ['call_count', asText(calls)],
  ]);
}

const USAGE = ['uuid', 'name-label', 'tokens', 'calls'];
const asUsage: Print = ({ printer }, rows) =>
  printer.table(
    (rows as readonly (readonly unknown[])[]).map((row) =>
      row.map((value, index) => ({ name: USAGE[index] ?? String(index), mark: '', value: asText(value), json: value })),
    ),
  );

async function createLimit(run: Run): Promise<void> {
  const { session } = run.context;
  const words: unknown[] = [];
  for (const each of [maybe('name-label'), maybe('name-description'), float('burst-size'), float('fill-rate')])
    words.push(await each.of(run));
  const limit = await session.call('Rate_limit.create', words);
  const callers = (paramOf(run.params, 'caller-uuids') ?? '').split(',').map((one) => one.trim());
  for (const one of callers.filter((text) => text !== '')) {
    await session.call('Rate_limit.add_caller', [limit, await session.call('Caller.get_by_uuid', [one])]);
  }
  run.printer.list([asText(await session.call('Rate_limit.get_uuid', [limit]))]);
}

const CALLERS: readonly Named[] = [
  [
    'caller-create',
    {
      ...{ required: [], optional: ['name-label', 'name-description', 'user-agent', 'client-ip'], run: createCaller },
      help: 'Names the callers with a user agent or an address; prints the uuid.',
    },
  ],
  oneCall('caller-destroy', 'Destroys the name of callers.', 'Caller.destroy', [uuid('Caller')]),
  ['caller-query-usage', { required: [], optional: ['uuid', 'group'], help: 'Prints what callers have used.', run: queryUsage }],
  oneCall('caller-list-usage', 'Prints what all callers have used.', 'Caller.query_all_usage', [], asUsage),
  [
    'rate-limit-create',
    {
      ...{ required: ['burst-size', 'fill-rate'], optional: ['name-label', 'name-description', 'caller-uuids'], run: createLimit },
      help: 'Limits the calls of callers; prints the uuid.',
    },
  ],
  oneCall('rate-limit-destroy', 'Ends a limit.', 'Rate_limit.destroy', [uuid('Rate_limit')]),
  oneCall('rate-limit-add-caller', 'Limits callers.', 'Rate_limit.add_caller', [uuid('Rate_limit'), uuid('Caller', 'caller-uuid')]),
  oneCall('rate-limit-remove-caller', 'Limits callers no longer.', 'Rate_limit.remove_caller', [
    uuid('Rate_limit'),
    uuid('Caller', 'caller-uuid'),
  ]),
];

export const SCHEDULE_COMMANDS: readonly Named[] = [...SCHEDULES, ...CALLERS];
