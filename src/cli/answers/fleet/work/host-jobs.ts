// Verify runs and rebalance plans as jobs: one for each host, done by `xennuma fleet work`. The
// host and the name of the run are the job's id, so a command that was interrupted continues with
// the results that exist.
import type { NatsConnection } from '@nats-io/transport-node';
import { askHost } from '../../../../fleet/place/ask-host.js';
import type { FleetClient } from '../../../../fleet/place/fleet-client.js';
import { isToken } from '../../../../fleet/protocol/subjects.js';
import { problemOfMap } from '../../../../live/rebalance/problem-of-map.js';
import type { HostMap } from '../../../../map/host-map.js';
import { rebalance } from '../../../../planner/rebalance/rebalance.js';
import type { FleetOptions } from '../../../input/fleet-options.js';
import { remark } from '../../../output/terminal.js';
import { openJobs } from '../open-fleet.js';

export const NO_WORKER = 'no worker takes the jobs yet; start one: xennuma fleet work';

type HostTask = 'verify' | 'rebalance';

export interface JobOptions extends FleetOptions {
  /** Name of the run whose jobs the workers do; undefined = this process asks the hosts. */
  readonly job?: string;
}

interface MovePlan {
  readonly free: number;
  readonly migrations: number;
}

/** A job for the workers. */
interface HostJob {
  readonly task: HostTask;
  readonly host: string;
}

/** null = a job of another kind. */
export function hostJobOf(job: unknown): HostJob | null {
  const { task, host } = (job ?? {}) as Partial<HostJob>;
  return (task === 'verify' || task === 'rebalance') && typeof host === 'string' && isToken(host) ? { task, host } : null;
}

/** Never rejects: what went wrong is the job's result. */
export async function doHostJob(connection: NatsConnection, { task, host }: HostJob): Promise<unknown> {
  try {
    return (await answerOf(connection, task, host)) ?? { error: 'the host does not answer' };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

async function answerOf(connection: NatsConnection, task: HostTask, host: string): Promise<unknown> {
  return task === 'verify' ? askHost(connection, host, { ask: 'verify' }) : planOf(await askHost(connection, host, { ask: 'map' }));
}

/** null = no map that can be planned on: another machine wrote it. */
function planOf(answer: unknown): MovePlan | null {
  try {
    const { map } = answer as { readonly map: HostMap };
    const guests = new Set(map.domains.filter(({ domid }) => domid !== 0).map(({ domid }) => domid));
    const plan = rebalance(problemOfMap(map, [], guests).problem);
    return { free: plan.freeMoves.length, migrations: plan.migrations.length };
  } catch {
    return null;
  }
}

/** By host: what each says, or what its job's result is. Others wrote it: to be checked. */
export async function hostAnswers(
  client: FleetClient,
  task: HostTask,
  hosts: readonly string[],
  options: JobOptions,
): Promise<Map<string, unknown>> {
  const answers = new Map<string, unknown>();
  if (options.job === undefined) {
    await Promise.all(hosts.map(async (host) => answers.set(host, await answerOf(client.connection, task, host))));
    return answers;
  }
  const jobs = await openJobs(client.connection, options);
  const ids = new Map(hosts.map((host) => [`${options.job}.${task}.${host}`, host]));
  // Those without a result only: a job that is done needs no worker.
  const open = await jobs.without([...ids.keys()]);
  for (const id of open) await jobs.submit(id, { task, host: ids.get(id)! } satisfies HostJob);
  await jobs.results(
    [...ids.keys()],
    (id, result) => {
      answers.set(ids.get(id)!, result);
      const { error } = (result ?? {}) as { readonly error?: unknown };
      remark(`${answers.size} of ${hosts.length}: ${ids.get(id)}${typeof error === 'string' ? `: ${error}` : ''}`);
    },
    () => remark(NO_WORKER),
  );
  return answers;
}
