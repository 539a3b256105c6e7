// Captures as jobs: a worker that ssh takes to the host runs `xennuma capture` there. The capture
// itself is the job's result.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sshTarget } from '../../../../live/capture/ssh.js';
import { runOwnCommand } from './own-command.js';

/** A job for the workers. */
export interface CaptureJob {
  readonly task: 'capture';
  /** ssh://[user@]host[:port]; nothing else, since a worker's files are not everybody's. */
  readonly source: string;
  /** Replace names and uuids. */
  readonly anonymous: boolean;
  /** Read memory by node. */
  readonly memory: boolean;
}

/** The file that `xennuma capture` writes, in base64. */
export type CaptureResult = { readonly capture: string } | { readonly error: string };

/** null = a job of another kind. */
export function captureJobOf(job: unknown): CaptureJob | null {
  const { task, source, anonymous, memory } = (job ?? {}) as Partial<CaptureJob>;
  if (task !== 'capture' || typeof source !== 'string') return null;
  try {
    sshTarget(source);
  } catch {
    return null;
  }
  return { task, source, anonymous: anonymous === true, memory: memory !== false };
}

/** Never rejects: what went wrong is the job's result. */
export async function doCapture({ source, anonymous, memory }: CaptureJob, seconds: number): Promise<CaptureResult> {
  let folder: string | undefined;
  try {
    folder = mkdtempSync(join(tmpdir(), 'xennuma-capture-'));
    const file = join(folder, 'host.tgz');
    const flags = [...(anonymous ? ['--anonymous'] : []), ...(memory ? [] : ['--no-memory'])];
    const end = await runOwnCommand(['capture', '--from', source, '--output', file, ...flags], seconds);
    return 'error' in end ? { error: end.error.replace(/^xennuma: /, '') } : { capture: readFileSync(file, 'base64') };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}
