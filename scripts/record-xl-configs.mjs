// `node scripts/record-xl-configs.mjs [--count 2000] [--seed 1]`: makes random guest configs and
// machines, has the real xl read them (rig/xl/run.sh, which needs Debian 12 and gcc), and prints a
// case of conformance kind `xl-config` a line.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { count: { type: 'string', default: '2000' }, seed: { type: 'string', default: '1' } } });
const run = fileURLToPath(new URL('../rig/xl/run.sh', import.meta.url));
const [libraries, shim, program] = execFileSync(run, ['--paths'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  .trim()
  .split('\n');
const folder = mkdtempSync(join(tmpdir(), 'xl-configs-'));

let state = Number(values.seed) >>> 0;
/** mulberry32: a whole number below `below`. */
function random(below) {
  state = (state + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
}
const pick = (list) => list[random(list.length)];
const chance = (percent) => random(100) < percent;
const times = (count, make) => Array.from({ length: count }, (_, index) => make(index));

function machine() {
  const nodes = pick([1, 1, 2, 2, 2, 3, 4, 8]);
  const perNode = pick([1, 2, 3, 4, 7, 8, 20]);
  const interleaved = chance(30);
  const cpus = times(nodes * perNode, (cpu) => {
    const node = interleaved ? cpu % nodes : Math.floor(cpu / perNode);
    return chance(8) && cpu > 0 ? null : { core: cpu % perNode, socket: node, node };
  });
  if (cpus.at(-1) === null) cpus.pop();
  return { nodes, cpus };
}

function number(most) {
  const value = random(most + 2);
  return pick([
    `${value}`,
    `${value}`,
    `${value}`,
    `0${value}`,
    `+${value}`,
    ` ${value}`,
    `${value} `,
    `-${value}`,
    '4294967296',
    `${2 ** 32 + value}`,
  ]);
}

/** Mostly right, since one wrong item decides the case. */
function cpuItem({ cpus, nodes }) {
  const low = random(cpus.length);
  const high = low + random(cpus.length);
  const node = random(nodes + 1);
  if (chance(4))
    return pick([
      number(cpus.length),
      `${high}-${low}`,
      `${low}-`,
      `-${low}`,
      'node:',
      'nodes:^1',
      '^all',
      'none',
      '0x3',
      `${low}:${high}`,
      '^^1',
      'node:node:1',
      ' all',
      'All',
      `${low} - ${high}`,
      `${low}- ${high}`,
      `${low}--${high}`,
    ]);
  return `${chance(25) ? '^' : ''}${pick([`${low}`, `${low}-${high}`, `${low}-${high}`, `node:${node}`, `nodes:${node}`, `nodes:0-${node}`])}`.replace(
    /^\^?(.*)$/,
    (all) => (chance(8) ? pick(['all', 'node:all', 'nodes:all', '']) : all),
  );
}
const cpuList = (host) => times(pick([1, 1, 2, 3, 4]), () => cpuItem(host)).join(',') + (chance(5) ? ',' : '');
const quoted = (text) => pick([`"${text}"`, `'${text}'`]);

function affinity(host) {
  if (chance(8)) return `${random(host.cpus.length)}`;
  if (chance(60)) return quoted(cpuList(host));
  const items = times(random(7), () => (chance(15) ? `${random(host.cpus.length)}` : quoted(cpuList(host))));
  const gap = () => pick(['', ' ', '\n', '\n  ', '# c\n']);
  return `[${gap()}${items.map((item) => `${item}${gap()}`).join(`,${gap()}`)}${items.length > 0 && chance(20) ? `,${gap()}` : ''}]`;
}

function vnuma(host) {
  const count = 1 + random(3);
  let vcpu = 0;
  const nodes = times(count, () => {
    const last = vcpu + random(3);
    const options = [
      `pnode=${random(host.nodes + (chance(5) ? 1 : 0))}`,
      `size=${pick(['256', '512', ' 64', '0x10'])}`,
      `vcpus=${chance(80) ? `${vcpu}-${last}` : pick([`${vcpu},${last}`, `${vcpu}`, `x`, `${last}-${vcpu}`, `${vcpu}x`])}`,
      `vdistances=${times(count, () => pick(['10', '20'])).join(',')}`,
    ].filter(() => chance(92));
    vcpu = last + 1;
    return `[ ${options.map(quoted).join(pick([',', ', ', ',\n  ']))} ]`;
  });
  return `[${nodes.join(', ')}]`;
}

const WRONG = [
  'x',
  'x = (1)',
  'x = a',
  'X = 1',
  'x = -5',
  'x = 1.5',
  'x = "a',
  'x = "a\\x41"',
  'x = "\\1"',
  'x = """a"""',
  'x = 1 2',
  '[1]',
  'x == 1',
  'x = [1 2]',
  'x = [,]',
  'x = [1,,2]',
  'x =',
  'x = "a\\q"',
  'x = 1;; y = }',
  '\tx\r',
  'x = 12g',
];
const RIGHT = [
  'x = 1',
  "x='it is'",
  'x = "a\\nb\\t\\"c\\""',
  'x = "\\012"',
  'x = [ 1, [2, 3], [] ]',
  '# x = "',
  'x=1;y=2',
  ';;',
  'x = [\n1\n,\n2\n,\n]',
  'a.b_c = 1',
  'x = 0xff',
  'x=1f',
  'x = "a" # c',
  'pvh=1',
  'x="#"',
  "disk = ['phy:/dev/vg0/a,xvda,w']",
];

function config(host) {
  const vcpus = pick([1, 2, 3, 4, 8]);
  const lines = ['name = "g"', 'kernel = "/x"'];
  const maybe = (percent, make) => chance(percent) && lines.push(make());
  maybe(
    88,
    () =>
      `vcpus = ${pick([`${vcpus}`, `${vcpus}`, `'${vcpus}'`, `0${vcpus}`, `0x${vcpus}`, '0', `"${vcpus} "`, `" ${vcpus}"`, `"+${vcpus}"`, `${vcpus}x`])}`,
  );
  maybe(35, () => `maxvcpus = ${vcpus + random(4) - (chance(10) ? 1 : 0)}`);
  maybe(90, () => `memory = ${pick(['64', '128', '1000', '01000', '0x100', '08', '"512"', '"1GiB"', '0', '[1]'])}`);
  maybe(25, () => `maxmem = ${pick(['64', '4096', '8192', '02000'])}`);
  maybe(50, () =>
    pick([
      'type = "hvm"',
      'type = "pv"',
      "type='pvh'",
      'type = ""',
      'type="p"',
      'type="h"',
      'builder="hvm"',
      'builder="generic"',
      'builder="linux"',
      'type = hvm',
      'type="HVM"',
      'type="pvh"\nbuilder="generic"',
      'type="hvm"\nbuilder="hvm"',
    ]),
  );
  maybe(20, () => `cpu_weight = ${pick(['256', '0', '65535', '"-1"', '"x"', '512'])}`);
  maybe(20, () => `cap=${pick(['0', '50', '0400', '4294967295'])}`);
  maybe(12, () => `vnuma = ${vnuma(host)}`);
  maybe(60, () => `cpus = ${affinity(host)}`);
  maybe(50, () => `cpus_soft = ${affinity(host)}`);
  maybe(6, () => `cpus += ${affinity(host)}`);
  maybe(3, () => `vcpus += ${vcpus}`);
  maybe(3, () => `uuid = ${pick(['"x"', '"6619688a-8f21-4146-85ca-2efb27b55f5f"'])}`);
  maybe(3, () => `on_crash = ${pick(['"restart"', '"explode"'])}`);
  maybe(12, () => pick(WRONG));
  maybe(30, () => pick(RIGHT));
  if (chance(5)) lines.splice(random(2), 1);
  if (chance(20)) lines.sort(() => random(3) - 1);
  return `${lines.join(pick(['\n', '\n', '\n', '\n\n', ' ;\n']))}${chance(80) ? '\n' : ''}`;
}

function record(host, cfg) {
  const file = join(folder, 'vm.cfg');
  writeFileSync(file, cfg);
  const env = {
    ...process.env,
    LD_LIBRARY_PATH: libraries,
    LD_PRELOAD: shim,
    XL_CPUS: host.cpus.map((cpu) => (cpu === null ? '-' : `${cpu.core}/${cpu.socket}/${cpu.node}`)).join(','),
    XL_NODES: times(host.nodes, () => `${4 * 2 ** 30}:${3 * 2 ** 30}`).join(','),
  };
  const { status, stdout } = spawnSync(program, ['create', '-n', '-d', file], { env, encoding: 'utf8', timeout: 20_000 });
  const json = stdout.slice(stdout.indexOf('{'));
  if (status !== 0 || json === '') return { rc: 1, real: null };
  const { c_info, b_info } = JSON.parse(json);
  return {
    rc: 0,
    real: {
      max_vcpus: b_info.max_vcpus ?? null,
      online_vcpus: b_info.avail_vcpus?.length ?? 0,
      max_memkb: b_info.max_memkb ?? null,
      target_memkb: b_info.target_memkb ?? null,
      type: c_info.type,
      vcpu_hard_affinity: b_info.vcpu_hard_affinity ?? null,
      vcpu_soft_affinity: b_info.vcpu_soft_affinity ?? null,
      numa_placement: b_info.numa_placement ?? null,
      sched_params: b_info.sched_params,
      ...(b_info.vnuma_nodes === undefined ? {} : { vnuma_nodes: b_info.vnuma_nodes }),
    },
  };
}

try {
  for (let id = 1; id <= Number(values.count); id++) {
    const host = machine();
    const cfg = config(host);
    console.log(JSON.stringify({ id, cpus: host.cpus, cfg, ...record(host, cfg) }));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
