// VMs as files: vm-export and vm-import, of snapshots and templates too. Contents or metadata alone
// (cli_operations.ml of xen-api e2ee48d6, export_common, vm_import).
import { asText } from '../../xapi-client/values.js';
import { paramOf } from '../command-line.js';
import { defaultSr } from '../devices/install.js';
import { XeFailure, XePlainFailure } from '../failures.js';
import { downloadAndTell, transfer } from '../files/transfers.js';
import { flag, required } from '../objects.js';
import { forVms, type Run } from '../operations.js';
import type { Named } from './calls.js';
import { pairs, uuid } from './words.js';

const EXPORT_WORDS = ['preserve-power-state', 'compress', 'metadata', 'excluded-device-types', 'include-snapshots'];
/** xe's words for how an export is compressed; true is gzip. */
const COMPRESSIONS: Readonly<Record<string, string>> = { true: 'gzip', gzip: 'gzip', zstd: 'zstd' };

async function exportVm(run: Run, ref: string, vmUuid: string, name: string): Promise<void> {
  const { params } = run;
  const metadata = flag(params, 'metadata');
  const query = {
    ref,
    use_compression: COMPRESSIONS[paramOf(params, 'compress') ?? ''] ?? 'none',
    preserve_power_state: String(flag(params, 'preserve-power-state')),
    export_snapshots: String(flag(params, 'include-snapshots')),
    ...(metadata ? { excluded_device_types: paramOf(params, 'excluded-device-types') ?? '' } : {}),
  };
  const path = metadata ? '/export_metadata' : '/export';
  await downloadAndTell(run, { label: 'Export of VM', description: vmUuid, name, path, query }, 'Export');
}

async function exportVms(run: Run): Promise<void> {
  const filename = required(run.params, 'filename');
  let count = 0;
  await forVms(
    run,
    ({ ref, record }) => {
      count++;
      // An empty name is stdout, for all of them.
      return exportVm(run, ref, asText(record.uuid), count === 1 || filename === '' ? filename : `${filename}${count}`);
    },
    { ignored: ['filename', ...EXPORT_WORDS] },
  );
}

function exportOf(kind: 'snapshot' | 'template'): Named[1]['run'] {
  return async (run) => {
    const key = `${kind}-uuid`;
    const ref = asText(await uuid('VM', key).of(run));
    const given = required(run.params, key);
    const is = await run.context.session.call(kind === 'template' ? 'VM.get_is_a_template' : 'VM.get_is_a_snapshot', [ref]);
    if (is !== true) throw new XeFailure(`${given} is not a ${kind}`);
    await exportVm(run, ref, given, required(run.params, 'filename'));
  };
}

/** What a dry run prints in place of uuids. */
const NO_UUID = 'xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx';

async function importVm(run: Run): Promise<void> {
  const { params, context, printer } = run;
  const { session } = context;
  const sr = await storageOf(run);
  const [restore, force] = [flag(params, 'preserve'), flag(params, 'force')];
  const url = paramOf(params, 'url');
  if (url !== undefined && paramOf(params, 'filename') !== undefined) {
    throw new XePlainFailure("Invalid arguments. Give only one of 'url' and 'filename'.");
  }
  const uuidsOf = async (refs: readonly string[]): Promise<string[]> => {
    const found: string[] = [];
    for (const ref of refs) found.push(asText(await session.call('VM.get_uuid', [ref])));
    return found;
  };
  const type = paramOf(params, 'type') ?? 'default';
  if (!['default', 'xenserver'].includes(type.toLowerCase())) {
    const host = [required(params, 'host-username'), required(params, 'host-password')];
    await session.call('VM.import_convert', [type, ...host, sr, await pairs('remote-config').of(run)]);
    return;
  }
  if (url !== undefined) {
    const refs = (await session.call('VM.import', [url, sr, restore, force])) as readonly string[];
    printer.list([(await uuidsOf(refs)).join(',')]);
    return;
  }
  const [metadata, dryRun] = [flag(params, 'metadata'), flag(params, 'dry-run')];
  if (!metadata && dryRun) throw new XePlainFailure('Only metadata can be imported with dry-run');
  const query: Record<string, string> = { restore: String(restore), force: String(force), dry_run: String(dryRun), sr_id: sr };
  for (const [key, value] of params) if (key.startsWith('vdi:')) query[key] = value;
  const name = required(params, 'filename').replace(/ova\.xml$/i, '');
  const result = await transfer(run, { label: 'VM import', way: 'upload', name, path: metadata ? '/import_metadata' : '/import', query });
  const uuids = await uuidsOf(result.match(/OpaqueRef:[\w-]+/g) ?? []);
  printer.list([uuids.length === 0 && dryRun ? NO_UUID : uuids.join(',')]);
}

/** sr-uuid, or the pool's default SR. */
async function storageOf(run: Run): Promise<string> {
  const given = paramOf(run.params, 'sr-uuid') ?? (await defaultSr(run));
  if (given === null) throw new XeFailure('No SR specified and Pool default SR is null');
  return asText(await run.context.session.call('SR.get_by_uuid', [given]));
}

const IMPORT_WORDS = ['filename', 'preserve', 'sr-uuid', 'force', 'host-username', 'host-password', 'type', 'remote-config:', 'dry-run'];

export const ARCHIVE_COMMANDS: readonly Named[] = [
  [
    'vm-export',
    {
      ...{ required: ['filename'], optional: EXPORT_WORDS, selectsVms: true, common: true, run: exportVms },
      help: 'Downloads VMs as files; metadata=true leaves out the contents of their disks.',
    },
  ],
  [
    'vm-import',
    {
      ...{ required: [], optional: [...IMPORT_WORDS, 'metadata', 'url', 'vdi:'], common: true, run: importVm },
      help: 'Makes VMs of a file that vm-export wrote; prints their uuids. preserve=true keeps their uuids.',
    },
  ],
  [
    'snapshot-export-to-template',
    {
      ...{ required: ['filename', 'snapshot-uuid'], optional: EXPORT_WORDS.slice(0, 4), run: exportOf('snapshot') },
      help: 'Downloads a snapshot as a file.',
    },
  ],
  [
    'template-export',
    {
      ...{ required: ['filename', 'template-uuid'], optional: EXPORT_WORDS.slice(1, 4), run: exportOf('template') },
      help: 'Downloads a template as a file.',
    },
  ],
];
