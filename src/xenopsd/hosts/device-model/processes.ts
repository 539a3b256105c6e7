// The QEMUs of this machine that serve domains, found by their command lines. A stored process id
// could belong to another process by now, or was never stored.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { servedBy } from './command-line.js';

export interface QemuProcess {
  readonly pid: number;
  readonly domid: number;
  readonly uuid: string;
}

/**
 * A process that has ended, and waits for its parent, has no command line. Other users' processes
 * may have any command line, and are none of ours.
 */
export function qemuProcesses(proc = '/proc', uid = process.geteuid!()): QemuProcess[] {
  return readdirSync(proc).flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    let words: string[];
    try {
      if (statSync(`${proc}/${name}`).uid !== uid) return [];
      words = readFileSync(`${proc}/${name}/cmdline`, 'utf8').split('\0');
    } catch {
      return [];
    }
    const served = servedBy(words);
    return served === null ? [] : [{ pid: Number(name), ...served }];
  });
}
