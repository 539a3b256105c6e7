// `xennuma fleet work`: the jobs of the fleet. `fleet replay`: replays spread over workers.
import { randomBytes } from 'node:crypto';
import { InputError } from '../../../../base/errors.js';
import { connectFleet } from '../../../../fleet/store/connect.js';
import { waitFor } from '../../../../fleet/store/retry.js';
import { accessOf, type FleetOptions } from '../../../input/fleet-options.js';
import { EXIT } from '../../../output/exit-codes.js';
import { replayText } from '../../../output/replay-text.js';
import { out, palette, remark } from '../../../output/terminal.js';
import type { ReplayAnswer } from '../../replay-schema.js';
import { connectWaiting, openJobs, sayWaiting, untilSignals } from '../open-fleet.js';
import { captureJobOf, doCapture } from './capture-jobs.js';
import { doHostJob, hostJobOf, NO_WORKER } from './host-jobs.js';
import { MOST_OUTPUT, runOwnCommand } from './own-command.js';

export interface FleetWorkOptions extends FleetOptions {
  /** Time for one replay or capture. */
  readonly jobSeconds: number;
}

interface ReplayJob {
  readonly words: readonly string[];
}

type ReplayResult = { readonly answer: ReplayAnswer } | { readonly error: string };

/** Until a signal ends it, also without servers. The job in progress is finished first. */
export async function fleetWork(options: FleetWorkOptions): Promise<void> {
  const stop = await untilSignals();
  const connection = await connectWaiting(options, stop);
  if (connection === null) return;
  const open = () => openJobs(connection, options);
  const jobs = await waitFor(stop, open, sayWaiting);
  if (jobs !== null) {
    out(`working for ${options.fleet}`);
    await jobs.work(async (job) => {
      const ofHost = hostJobOf(job);
      if (ofHost !== null) return doHostJob(connection, ofHost);
      const capture = captureJobOf(job);
      if (capture !== null) return doCapture(capture, options.jobSeconds);
      return replayOf((job ?? {}) as Partial<ReplayJob>, options.jobSeconds);
    }, stop);
  }
  await connection.close();
}

/** Never rejects: a job without a result would be given out again and again. */
async function replayOf({ words }: Partial<ReplayJob>, seconds: number): Promise<ReplayResult> {
  if (!Array.isArray(words)) return { error: 'the worker knows no such job; its version may be older' };
  const end = await runOwnCommand(['replay', ...checked(words), '--jobs', '1', '--moments', '0', '--json'], seconds);
  return 'error' in end ? end : answerOf(end.out);
}

function answerOf(text: string): ReplayResult {
  try {
    return { answer: JSON.parse(text) as ReplayAnswer };
  } catch {
    return { error: `the replay's answer cannot be read; a worker takes ${MOST_OUTPUT} characters of it` };
  }
}

/** Nothing that writes a file. */
function checked(words: readonly string[]): readonly string[] {
  return words.filter((word) => typeof word === 'string' && !word.startsWith('--svg') && !word.startsWith('--csv'));
}

export interface FleetReplayOptions extends FleetOptions {
  readonly policy: string;
  readonly seed: string;
  readonly json?: true;
}

/** A job for each policy and seed. */
export async function fleetReplay(words: readonly string[], options: FleetReplayOptions): Promise<number> {
  if (words.some((word) => /^--(policy|seed|json|csv|svg|jobs)\b/.test(word))) {
    throw new InputError('--policy, --seed and --json come before --', {}, 'put the other arguments of xennuma replay after it');
  }
  const connection = await connectFleet(accessOf(options), options.fleetAs);
  const jobs = await openJobs(connection, options);
  const batch = randomBytes(6).toString('hex');
  const kinds = options.policy
    .split(',')
    .flatMap((policy) => options.seed.split(',').map((seed) => ({ policy: policy.trim(), seed: seed.trim() })));
  const ids = kinds.map((_, at) => `${batch}-${at}`);
  await Promise.all(kinds.map(({ policy, seed }, at) => jobs.submit(ids[at]!, { words: [...words, '--policy', policy, '--seed', seed] })));
  const answers = new Map<string, ReplayAnswer>();
  let failed = 0;
  await jobs.results(
    ids,
    (id, result) => {
      const { policy, seed } = kinds[ids.indexOf(id)]!;
      const { answer, error } = result as { readonly answer?: ReplayAnswer; readonly error?: string };
      remark(`${answers.size + failed + 1} of ${ids.length}: ${policy}, seed ${seed}${error === undefined ? '' : `: ${error}`}`);
      if (answer === undefined) failed++;
      else answers.set(id, answer);
    },
    () => remark(NO_WORKER),
  );
  await connection.close();
  const all = ids.flatMap((id) => answers.get(id) ?? []);
  if (all.length > 0) {
    const merged = { ...all[0]!, runs: all.flatMap(({ runs }) => runs) };
    out(options.json ? JSON.stringify(merged, null, 2) : replayText(merged, palette()).join('\n'));
  }
  return failed > 0 ? EXIT.no : EXIT.ok;
}
