// The table of commands. A command is one entry here and one module that exports `define`; only the module of the command that was
// asked for is loaded.
import type { CommandEntry } from './command.js';

const AHEAD = 'Look ahead, on an embedded Xen:';
const DAEMON = 'A daemon that holds a host:';
const REAL = 'On a real Xen:';
const API = 'Hosts and pools by XAPI:';
const OTHER = 'Other:';

export const COMMANDS: readonly CommandEntry[] = [
  { name: 'plan', group: AHEAD, summary: 'where these VMs would land if they started now', load: () => import('./commands/plan.js') },
  { name: 'run', group: AHEAD, summary: 'play a scenario: events over time', load: () => import('./commands/run.js') },
  { name: 'explain', group: AHEAD, summary: 'why a VM landed where it did, in sentences', load: () => import('./commands/explain.js') },
  {
    name: 'compare',
    group: AHEAD,
    summary: 'profiles and policies side by side on one workload',
    load: () => import('./commands/compare.js'),
  },
  { name: 'show', group: AHEAD, summary: 'the map of a host, as text or SVG', load: () => import('./commands/show.js') },
  { name: 'demo', group: AHEAD, summary: 'a real 8-node machine with a dozen VMs', load: () => import('./commands/demo.js') },
  { name: 'serve', group: DAEMON, summary: 'own a host and serve XAPI', load: () => import('./commands/serve.js') },
  {
    name: 'verify',
    group: REAL,
    summary: 'are running domains still as asked, and their memory near?',
    load: () => import('./commands/verify.js'),
  },
  {
    name: 'place',
    group: REAL,
    summary: 'soft affinity for running domains, where their memory is',
    load: () => import('./commands/place.js'),
  },
  {
    name: 'capture',
    group: REAL,
    summary: 'take what show, verify and explain need of a host into one file',
    load: () => import('./commands/capture.js'),
  },
  { name: 'vm', group: REAL, summary: 'the life of VMs: create, start, stop, destroy ...', load: () => import('./commands/vm.js') },
  { name: 'console', group: REAL, summary: "a guest's console; Ctrl-] leaves it", load: () => import('./commands/console.js') },
  {
    name: 'xe',
    group: API,
    summary: 'the xe that people know, against xennuma serve or any XAPI host',
    load: () => import('./commands/xe.js'),
  },
  {
    name: 'doctor',
    group: OTHER,
    summary: 'what is wrong on this machine, and how to mend it',
    load: () => import('./commands/doctor.js'),
  },
  { name: 'xenstored', group: OTHER, summary: 'a XenStore server on a unix socket', load: () => import('./commands/xenstored.js') },
  { name: 'completion', group: OTHER, summary: 'completion for bash, zsh or fish', load: () => import('./commands/completion.js') },
];
