// Commands of xe on patches, updates and repositories (cli_operations.ml of xen-api e2ee48d6).
import { asText } from '../../xapi-client/values.js';
import { paramOf } from '../command-line.js';
import { XeFailure } from '../failures.js';
import { transfer } from '../files/transfers.js';
import { required } from '../objects.js';
import type { Run } from '../operations.js';
import { type Named, oneCall, onHosts } from './calls.js';
import { asLine, asUuidOf } from './prints.js';
import { file, integer, maybe, oneOf, pool, truthOr, uuid, type Word, word } from './words.js';

const onHost: readonly Word[] = [uuid('pool_patch'), uuid('host', 'host-uuid')];

const PATCHES: readonly Named[] = [
  ['patch-upload', { required: ['file-name'], optional: [], help: 'Uploads a patch; prints its uuid.', run: uploadPatch }],
  oneCall('patch-destroy', 'Removes a patch that no host has.', 'pool_patch.destroy', [uuid('pool_patch')]),
  oneCall('patch-precheck', 'Tells whether a host can have a patch.', 'pool_patch.precheck', onHost, asLine),
  oneCall('patch-apply', 'Applies a patch to a host.', 'pool_patch.apply', onHost, asLine),
  oneCall('patch-pool-apply', 'Applies a patch to all hosts.', 'pool_patch.pool_apply', [uuid('pool_patch')]),
  oneCall('patch-clean', "Removes a patch's files from a host.", 'pool_patch.clean', [uuid('pool_patch')]),
  oneCall('patch-pool-clean', "Removes a patch's files from all hosts.", 'pool_patch.pool_clean', [uuid('pool_patch')]),
];

const UPDATES: readonly Named[] = [
  [
    'update-upload',
    {
      required: ['file-name'],
      optional: ['sr-uuid'],
      help: "Uploads an update to an SR, or to the pool's default one; prints its uuid.",
      run: uploadUpdate,
    },
  ],
  oneCall(
    'update-introduce',
    'Makes an update of a disk that holds one; prints its uuid.',
    'pool_update.introduce',
    [uuid('VDI', 'vdi-uuid')],
    asUuidOf('pool_update'),
  ),
  onHosts('update-precheck', 'Tells whether hosts can have an update.', 'pool_update.precheck', [uuid('pool_update')], {
    print: asLine,
    last: true,
  }),
  onHosts('update-apply', 'Applies an update to hosts.', 'pool_update.apply', [uuid('pool_update')], { last: true }),
  oneCall('update-pool-apply', 'Applies an update to all hosts.', 'pool_update.pool_apply', [uuid('pool_update')]),
  oneCall('update-pool-clean', "Removes an update's files from all hosts.", 'pool_update.pool_clean', [uuid('pool_update')]),
  oneCall('update-destroy', 'Removes an update that no host has.', 'pool_update.destroy', [uuid('pool_update')]),
  oneCall('update-resync-host', 'Finds out anew which updates a host has.', 'pool_update.resync_host', [uuid('host', 'host-uuid')]),
  onHosts('host-apply-updates', 'Applies the updates of the enabled repository to a host.', 'host.apply_updates', [word('hash')], {
    several: false,
  }),
];

/** Days of the week: 0 is Sunday. */
const LAST_DAY = 6;
const day: Word = {
  ...integer('update-sync-day', 0),
  of: ({ params }) => {
    if (paramOf(params, 'update-sync-frequency')?.toLowerCase() === 'daily') return 0;
    const text = paramOf(params, 'update-sync-day') ?? '';
    if (!/^\d$/.test(text) || Number(text) > LAST_DAY) throw new XeFailure(`update-sync-day: expected a number from 0 to ${LAST_DAY}`);
    return Number(text);
  },
};

const REPOSITORIES: readonly Named[] = [
  oneCall(
    'repository-introduce',
    'Adds a repository of updates; prints its uuid.',
    'Repository.introduce',
    [word('name-label'), maybe('name-description'), word('binary-url'), word('source-url'), truthOr('update', null), maybe('gpgkey-path')],
    asUuidOf('Repository'),
  ),
  oneCall(
    'repository-introduce-bundle',
    'Adds a repository for bundles that are uploaded; prints its uuid.',
    'Repository.introduce_bundle',
    [word('name-label'), maybe('name-description')],
    asUuidOf('Repository'),
  ),
  oneCall(
    'repository-introduce-remote-pool',
    'Adds the repository of another pool; prints its uuid.',
    'Repository.introduce_remote_pool',
    [word('name-label'), maybe('name-description'), word('binary-url'), file('certificate-file', 'certificate file')],
    asUuidOf('Repository'),
  ),
  oneCall('repository-forget', 'Removes a repository.', 'Repository.forget', [uuid('Repository')]),
  oneCall('repository-set-gpgkey-path', 'Sets the key that signs a repository.', 'Repository.set_gpgkey_path', [
    uuid('Repository'),
    word('gpgkey-path'),
  ]),
  oneCall('pool-configure-repository-proxy', 'Reaches repositories through a proxy.', 'pool.configure_repository_proxy', [
    ...[pool, word('proxy-url'), maybe('proxy-username'), maybe('proxy-password')],
  ]),
  oneCall('pool-configure-update-sync', 'Sets how often updates are fetched.', 'pool.configure_update_sync', [
    ...[pool, oneOf('update-sync-frequency', ['daily', 'weekly']), day],
  ]),
  oneCall('pool-set-update-sync-enabled', 'Fetches updates regularly, or not.', 'pool.set_update_sync_enabled', [
    pool,
    truthOr('value', null),
  ]),
  [
    'pool-sync-bundle',
    { required: ['filename'], optional: [], help: 'Uploads a bundle of updates.', run: (run) => upload(run, '/bundle', 'filename') },
  ],
];

async function upload(run: Run, path: string, key: string, query: Record<string, string> = {}): Promise<void> {
  await transfer(run, { label: 'upload', way: 'upload', name: required(run.params, key), path, query });
}

async function defaultSr({ context: { session } }: Run): Promise<string> {
  const [pool] = [...(await session.records('pool')).values()];
  return asText(pool?.default_SR);
}

async function uploadPatch(run: Run): Promise<void> {
  const { session } = run.context;
  const query = { sr_id: await defaultSr(run) };
  const patch = await transfer(run, {
    ...{ label: 'host patch upload', way: 'upload', name: required(run.params, 'file-name'), path: '/pool_patch_upload', query },
  });
  run.printer.list([asText(await session.call('pool_patch.get_uuid', [patch]))]);
}

async function uploadUpdate(run: Run): Promise<void> {
  const { session } = run.context;
  const given = paramOf(run.params, 'sr-uuid');
  const sr = given === undefined ? await defaultSr(run) : asText(await session.call('SR.get_by_uuid', [given]));
  const result = await transfer(run, {
    ...{
      label: 'host patch upload',
      way: 'upload',
      name: required(run.params, 'file-name'),
      path: '/import_raw_vdi',
      query: { sr_id: sr },
    },
  });
  const vdi = /OpaqueRef:[0-9a-f-]{36}/.exec(result)?.[0] ?? result;
  try {
    const update = await session.call('pool_update.introduce', [vdi]);
    run.printer.list([asText(await session.call('pool_update.get_uuid', [update]))]);
  } catch (error) {
    await session.call('VDI.destroy', [vdi]);
    throw error;
  }
}

export const UPDATE_COMMANDS: readonly Named[] = [...PATCHES, ...UPDATES, ...REPOSITORIES];
