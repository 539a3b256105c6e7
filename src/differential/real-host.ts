// One booted shape of the rig for the differential test: its snapshot, and scenarios performed on
// it in batches.
import type { Failure, HostAnswers, ScenarioHost } from './campaign.js';
import type { GeneratedScenario } from './generate.js';
import type { Answers } from './perform.js';
import { CHECKOUT, RIG_FAILED, Rig } from './rig.js';
import type { Snapshot } from './snapshot.js';

const SNAPSHOT_S = 600;
/**
 * Time limits of a batch and of each scenario. The machine is emulated, and on a busy host
 * everything takes ten times as long.
 */
const BATCH_S = 180;
const SCENARIO_S = 6;
/** Limits the wait for a rig that hangs. */
const BATCH = 100;
/** A run goes on after the scenario that ended the program in dom0, this many times. */
const RESTARTS = 12;
/**
 * SCHEDOP_pin_override concerns the calling vCPU; on the embedded Xen that is Domain-0's first one.
 */
const ON_VCPU_0 = ['taskset', '-c', '0'];
const PROGRAM = `${CHECKOUT}/dist/differential-dom0.js`;

export class RealHost implements ScenarioHost {
  readonly #shape: string;
  readonly #whole: boolean;
  #rig: Rig;
  #snapshot: Snapshot;

  private constructor(shape: string, whole: boolean, rig: Rig, snapshot: Snapshot) {
    this.#shape = shape;
    this.#whole = whole;
    this.#rig = rig;
    this.#snapshot = snapshot;
  }

  /** `whole`: without a ballast domain, all memory free. */
  static async boot(shape: string, whole: boolean): Promise<RealHost> {
    const { rig, snapshot } = await bootRig(shape, whole);
    return new RealHost(shape, whole, rig, snapshot);
  }

  /** As it is since the last boot. */
  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  stop(): Promise<void> {
    return this.#rig.stop();
  }

  /**
   * Answers by id; a scenario on which the program ended twice has a failure instead. `onAnswer`:
   * for progress.
   */
  async perform(scenarios: readonly GeneratedScenario[], onAnswer: () => void = () => {}): Promise<Map<number, HostAnswers | Failure>> {
    const answers = new Map<number, HostAnswers | Failure>();
    const suspects = new Set<number>();
    let restarts = 0;
    for (;;) {
      const left = scenarios.filter(({ id }) => !answers.has(id)).slice(0, BATCH);
      if (left.length === 0) return answers;
      const input = left.map(({ id, tags, steps }) => `${JSON.stringify({ id, tags, steps })}\n`).join('');
      const { status, stderr } = await this.#rig.exec(
        [...ON_VCPU_0, 'node', PROGRAM, 'perform'],
        BATCH_S + SCENARIO_S * left.length,
        input,
        (line) => {
          const { id, ...answer } = JSON.parse(line) as Answers & { id: number };
          answers.set(id, { ...answer, snapshot: this.#snapshot });
          onAnswer();
        },
      );
      const next = left.find(({ id }) => !answers.has(id));
      if (next === undefined) continue;
      if (restarts++ === RESTARTS) throw new Error(`the program in dom0 ended (exit ${status}) for the last time:\n${stderr}`);
      if (suspects.has(next.id)) answers.set(next.id, { failure: `exit ${status}: ${stderr.trim()}` });
      suspects.add(next.id);
      if (status === RIG_FAILED) await this.#bootAgain();
    }
  }

  async #bootAgain(): Promise<void> {
    await this.#rig.stop();
    const { rig, snapshot } = await bootRig(this.#shape, this.#whole);
    this.#rig = rig;
    this.#snapshot = snapshot;
  }
}

/** Tries once more if it does not boot: under emulation Xen itself sometimes fails to. */
async function bootRig(shape: string, whole: boolean): Promise<{ rig: Rig; snapshot: Snapshot }> {
  return bootOnce(shape, whole).catch(() => bootOnce(shape, whole));
}

async function bootOnce(shape: string, whole: boolean): Promise<{ rig: Rig; snapshot: Snapshot }> {
  const rig = await Rig.start(shape, `differential-${shape}-${process.pid}`);
  try {
    const { status, stdout, stderr } = await rig.exec(['node', PROGRAM, 'snapshot', ...(whole ? ['whole'] : [])], SNAPSHOT_S);
    if (status !== 0) throw new Error(`no snapshot of shape ${shape} (exit ${status}):\n${stderr}`);
    return { rig, snapshot: JSON.parse(stdout) as Snapshot };
  } catch (error) {
    await rig.stop();
    throw error;
  }
}
