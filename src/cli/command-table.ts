// The table of commands. A command is one entry here and one module that exports `define`; only the
// module of the command that runs is loaded.
import type { CommandEntry } from './command.js';

const AHEAD = 'Plan on an embedded Xen:';
const DAEMON = 'Daemon:';
const REAL = 'On a real host:';
const API = 'XAPI client:';
const MANY = 'Many hosts:';
const OTHER = 'Other:';

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'plan',
    group: AHEAD,
    summary: 'show the nodes that VMs would get if they started now',
    load: () => import('./commands/plan.js'),
  },
  { name: 'run', group: AHEAD, summary: 'play a scenario: events over time, with expectations', load: () => import('./commands/run.js') },
  { name: 'explain', group: AHEAD, summary: 'explain the placement of a VM', load: () => import('./commands/explain.js') },
  {
    name: 'compare',
    group: AHEAD,
    summary: 'compare profiles and policies on one workload',
    load: () => import('./commands/compare.js'),
  },
  {
    name: 'replay',
    group: AHEAD,
    summary: 'replay a trace of VMs on a fleet, under several policies',
    load: () => import('./commands/replay.js'),
  },
  { name: 'show', group: AHEAD, summary: 'show the map of a host, as text, a page or SVG', load: () => import('./commands/show.js') },
  { name: 'demo', group: AHEAD, summary: 'show a real 8-node machine with a dozen VMs', load: () => import('./commands/demo.js') },
  {
    name: 'serve',
    group: DAEMON,
    summary: 'run the XAPI daemon for a host, or a pool of embedded hosts',
    load: () => import('./commands/serve.js'),
  },
  {
    name: 'verify',
    group: REAL,
    summary: 'compare running domains with what was requested',
    load: () => import('./commands/verify.js'),
  },
  {
    name: 'place',
    group: REAL,
    summary: 'set the soft affinity of running domains by their memory',
    load: () => import('./commands/place.js'),
  },
  {
    name: 'agent',
    group: REAL,
    summary: 'place domains with policy tight while xapi builds them',
    load: () => import('./commands/agent.js'),
  },
  {
    name: 'rebalance',
    group: REAL,
    summary: 'plan the moves that bring VMs near their memory again',
    load: () => import('./commands/rebalance.js'),
  },
  {
    name: 'capture',
    group: REAL,
    summary: 'record a host in one file, for show, verify and explain elsewhere',
    load: () => import('./commands/capture.js'),
  },
  { name: 'vm', group: REAL, summary: 'create, start, stop and destroy VMs', load: () => import('./commands/vm.js') },
  { name: 'console', group: REAL, summary: "attach to a guest's console; Ctrl-] detaches", load: () => import('./commands/console.js') },
  {
    name: 'xe',
    group: API,
    summary: "run xe's commands against xennuma serve or any XAPI host",
    load: () => import('./commands/xe.js'),
  },
  { name: 'fleet', group: MANY, summary: 'see many hosts and place VMs on them, over NATS', load: () => import('./commands/fleet.js') },
  {
    name: 'doctor',
    group: OTHER,
    summary: 'check this machine and its settings',
    load: () => import('./commands/doctor.js'),
  },
  { name: 'xenstored', group: OTHER, summary: 'run a XenStore server on a unix socket', load: () => import('./commands/xenstored.js') },
  {
    name: 'completion',
    group: OTHER,
    summary: 'print a completion script for bash, zsh or fish',
    load: () => import('./commands/completion.js'),
  },
];
