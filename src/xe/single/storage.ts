// Commands of xe on storage: probing and introducing SRs and VDIs, data sources of SRs, contents of
// disks (cli_operations.ml of xen-api e2ee48d6).
import { asList, asRecord, asText, NULL_REF } from '../../xapi-client/values.js';
import { paramOf } from '../command-line.js';
import { SR, VBD, VDI } from '../devices/classes.js';
import { XeFailure } from '../failures.js';
import type { XeClass, XeObject } from '../field.js';
import { transfer } from '../files/transfers.js';
import { allObjects, filterByAll, required, STANDARD_PARAMS, shownObjects } from '../objects.js';
import type { Run } from '../operations.js';
import { type Named, oneCall, onHosts } from './calls.js';
import { asLine, asUuidOf, type Print, silent } from './prints.js';
import { bytes, constant, hostOrOwn, maybe, oneOf, pairs, truth, uuid, type Word, word } from './words.js';

/** The one SR that is selected by sr= (name or uuid) or by any of its fields. */
async function selectedSr({ context, params }: Run, ignored: readonly string[]): Promise<string> {
  const name = paramOf(params, 'sr');
  const skipped = new Set([...STANDARD_PARAMS, ...ignored, ...(name === undefined ? [] : ['sr'])]);
  const all = await allObjects(context, SR);
  const candidates = name === undefined ? all : all.filter(({ record }) => record.uuid === name || record.name_label === name);
  const words = params.filter(([key]) => !skipped.has(key.split(':')[0]!));
  const [found, more] = await filterByAll(SR, candidates, words);
  if (found === undefined) throw new XeFailure('No matching SRs found');
  if (more !== undefined) throw new XeFailure('Multiple matching SRs found. Operation can only be performed on one SR at a time');
  return found.ref;
}

function onSr(name: string, help: string, method: string, words: readonly Word[], print: Print = silent): Named {
  const needs = words.flatMap((each) => each.needs);
  const run = async (one: Run): Promise<void> => {
    const values: unknown[] = [await selectedSr(one, needs)];
    for (const each of words) values.push(await each.of(one));
    await print(one, await one.context.session.call(method, values));
  };
  return [name, { required: needs, optional: ['sr'], help, run }];
}

const asSources: Print = ({ printer }, sources) =>
  printer.table(
    (Array.isArray(sources) ? sources : []).map((source) =>
      Object.entries(asRecord(source)).map(([key, value]) => ({ name: key, mark: ' ( RO)', value: asText(value), json: value })),
    ),
  );
const asFloat: Print = ({ printer }, value) => printer.list([Number(value).toFixed(6)]);
const SOURCE = word('data-source');

const SOURCES: readonly Named[] = [
  onSr('sr-data-source-list', 'Lists the data sources of an SR.', 'SR.get_data_sources', [], asSources),
  onSr('sr-data-source-record', 'Keeps the values of a data source.', 'SR.record_data_source', [SOURCE]),
  onSr('sr-data-source-query', 'Prints the last value of a data source.', 'SR.query_data_source', [SOURCE], asFloat),
  onSr('sr-data-source-forget', 'Forgets the values of a data source.', 'SR.forget_data_source_archives', [SOURCE]),
];

const PROBE: readonly Word[] = [hostOrOwn('host-uuid'), pairs('device-config'), word('type'), pairs('sm-config')];

const asProbed: Print = ({ printer }, results) => {
  for (const [index, result] of (Array.isArray(results) ? results : []).entries()) {
    const { sr, configuration, extra_info: info } = asRecord(result);
    for (const [what, value] of Object.entries({ SR: sr, configuration: configuration, 'extra information': info })) {
      if (value === null || value === undefined) continue;
      printer.list([`${index} ${what}:`]);
      printer.table([Object.entries(asRecord(value)).map(([name, one]) => ({ name, mark: ' ( RO)', value: String(one), json: one }))]);
    }
  }
};

const SRS: readonly Named[] = [
  oneCall('sr-probe', 'Looks for SRs that a host could use.', 'SR.probe', PROBE, asLine),
  oneCall('sr-probe-ext', 'Looks for SRs that a host could use, of newer drivers.', 'SR.probe_ext', PROBE, asProbed),
  [
    'sr-introduce',
    {
      ...{ required: ['name-label', 'type', 'uuid'], optional: ['name-description', 'shared', 'content-type', 'sm-config:'] },
      help: 'Adds an SR that has data already; prints its uuid.',
      run: introduceSr,
    },
  ],
  onHosts('lvhd-enable-thin-provisioning', 'Lets an SR of hosts give space as it is used.', 'LVHD.enable_thin_provisioning', [
    ...[uuid('SR', 'sr-uuid'), bytes('initial-allocation'), bytes('allocation-quantum')],
  ]),
];

async function introduceSr(run: Run): Promise<void> {
  const words = [
    word('uuid'),
    word('name-label'),
    maybe('name-description'),
    word('type'),
    maybe('content-type'),
    truth('shared'),
    pairs('sm-config'),
  ];
  const values: unknown[] = [];
  for (const each of words) values.push(await each.of(run));
  await run.context.session.call('SR.introduce', values);
  run.printer.list([required(run.params, 'uuid')]);
}

const VDI_TYPES = [
  'system',
  'user',
  'ephemeral',
  'suspend',
  'crashdump',
  'ha_statefile',
  'metadata',
  'redo_log',
  'rrd',
  'pvs_cache',
  'cbt_metadata',
];

const DISKS: readonly Named[] = [
  oneCall(
    'vdi-introduce',
    'Adds a disk that is in an SR already; prints its uuid.',
    'VDI.introduce',
    [
      ...[word('uuid'), maybe('name-label'), maybe('name-description'), uuid('SR', 'sr-uuid'), oneOf('type', VDI_TYPES)],
      ...[truth('sharable'), truth('read-only'), pairs('other-config'), word('location'), pairs('xenstore-data'), pairs('sm-config')],
      ...[
        truth('managed'),
        constant(0),
        constant(0),
        constant(NULL_REF),
        constant(false),
        constant('19700101T00:00:00Z'),
        constant(NULL_REF),
      ],
    ],
    asUuidOf('VDI'),
  ),
  oneCall(
    'vdi-generate-config',
    'Prints what a host needs to attach a disk without the database.',
    'VDI.generate_config',
    [...[uuid('host', 'host-uuid'), uuid('VDI')]],
    asLine,
  ),
  oneCall('vdi-unlock', 'Takes away the lock of a disk.', 'VDI.force_unlock', [uuid('VDI')], undefined, 'Is the disk really not in use?'),
  oneCall('vbd-pause', 'Holds the requests of a VBD; prints a token for its end.', 'VBD.pause', [uuid('VBD')], asLine),
  oneCall('vbd-unpause', 'Lets a VBD go on.', 'VBD.unpause', [uuid('VBD'), word('token')]),
  ['diagnostic-vdi-status', { required: ['uuid'], optional: [], help: 'Prints who uses a disk.', run: diskStatus }],
  [
    'vdi-import',
    {
      required: ['uuid', 'filename'],
      optional: ['format', 'progress'],
      help: 'Uploads the contents of a disk.',
      run: (run) => contents(run, 'upload'),
    },
  ],
  [
    'vdi-export',
    {
      ...{ required: ['uuid', 'filename'], optional: ['format', 'base', 'progress'] },
      ...{ help: 'Downloads the contents of a disk.', run: (run) => contents(run, 'download') },
    },
  ],
];

async function contents(run: Run, way: 'download' | 'upload'): Promise<void> {
  const vdi = asText(await uuid('VDI').of(run));
  const query: Record<string, string> = { vdi };
  for (const key of ['format', ...(way === 'download' ? ['base'] : [])]) {
    const given = paramOf(run.params, key);
    if (given !== undefined) query[key] = given;
  }
  const [label, path] = way === 'download' ? ['VDI export', '/export_raw_vdi'] : ['VDI import', '/import_raw_vdi'];
  await transfer(run, { label: label!, way, name: required(run.params, 'filename'), path: path!, query });
}

export const objectOf = async ({ context }: Run, { apiClass }: XeClass, ref: string): Promise<XeObject> => ({
  context,
  apiClass,
  ref,
  record: asRecord(await context.session.call(`${apiClass}.get_record`, [ref])),
});

async function diskStatus(run: Run): Promise<void> {
  const { printer } = run;
  const vdi = await objectOf(run, VDI, asText(await uuid('VDI').of(run)));
  printer.table(await shownObjects(VDI, [vdi], ['uuid', 'name-label', 'sr-uuid', 'mode', 'read-only', 'sharable', 'storage-lock']));
  const vbds = await Promise.all(asList(vdi.record.VBDs).map((ref) => objectOf(run, VBD, ref)));
  const show = async (active: boolean): Promise<void> => {
    const some = vbds.filter(({ record }) => record.currently_attached === active);
    const word = active ? 'active' : 'inactive';
    printer.list([some.length === 0 ? `no ${word} VBDs.` : `${word} VBDs:`]);
    for (const vbd of some) {
      printer.table(await shownObjects(VBD, [vbd], ['uuid', 'userdevice', 'device', 'empty', 'mode', 'type', 'storage-lock']));
    }
  };
  await show(true);
  await show(false);
}

/** xe's classes of objects that can have blobs. */
const OWNERS = { 'vm-uuid': 'VM', 'pool-uuid': 'pool', 'sr-uuid': 'SR', 'host-uuid': 'host', 'network-uuid': 'network' } as const;

async function createBlob(run: Run): Promise<void> {
  const found = Object.entries(OWNERS).find(([key]) => paramOf(run.params, key) !== undefined);
  if (found === undefined) throw new XeFailure('Need one of: vm-uuid, host-uuid, network-uuid, sr-uuid or pool-uuid');
  const [key, type] = found;
  const owner = await uuid(type, key).of(run);
  const words = [required(run.params, 'name'), paramOf(run.params, 'mime-type') ?? '', await truth('public').of(run)];
  const { session } = run.context;
  const blob = await session.call(`${type}.create_new_blob`, [owner, ...words]);
  run.printer.list([asText(await session.call('blob.get_uuid', [blob]))]);
}

function moveBlob(way: 'download' | 'upload'): (run: Run) => Promise<void> {
  return async (run) => {
    const [ref, word] = [asText(await uuid('blob').of(run)), way === 'download' ? 'get' : 'put'];
    await transfer(run, { label: `Blob ${word}`, way, name: required(run.params, 'filename'), path: '/blob', query: { ref } });
    run.printer.list([`Blob ${word} succeeded`]);
  };
}

const BLOBS: readonly Named[] = [
  [
    'blob-create',
    {
      ...{ required: ['name'], optional: ['mime-type', ...Object.keys(OWNERS), 'public'], run: createBlob },
      help: 'Makes a blob of an object; prints its uuid.',
    },
  ],
  ['blob-get', { required: ['uuid', 'filename'], optional: [], help: 'Downloads a blob.', run: moveBlob('download') }],
  ['blob-put', { required: ['uuid', 'filename'], optional: [], help: 'Uploads a blob.', run: moveBlob('upload') }],
];

export const STORAGE_COMMANDS: readonly Named[] = [...SOURCES, ...SRS, ...DISKS, ...BLOBS];
