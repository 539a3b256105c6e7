// A surprise of the catalogue in a sentence or two, with the numbers of this run. Part of explain.
import { formatBytes } from '../../base/units.js';
import type { FlowValues } from '../path.js';
import { type SurpriseCode, surpriseOf } from '../surprises.js';
import { nodeList, number, numbers, pagesText, plural, records, text, vcpuList } from './phrases.js';

/** "Surprise: title. What happens (this run's numbers). Source." An unknown code is named as it is. */
export function explainSurprise(code: string, values: FlowValues): string {
  const entry = surpriseOf(code);
  if (entry === undefined) return `Surprise: ${code}.`;
  const detail = DETAILS[code as SurpriseCode]?.(values) ?? '';
  return `Surprise: ${entry.title}${detail === '' ? '' : ` (${detail})`}: ${entry.happens}. See ${entry.source}`;
}

const nodesWithPages = (values: FlowValues) => `${pagesText(number(values, 'pages') ?? 0)} on ${nodeList(numbers(values, 'nodes'))}`;

const DETAILS: Readonly<Partial<Record<SurpriseCode, (values: FlowValues) => string>>> = {
  'mask-ignored': (values) => `mask '${text(values, 'mask')}' is ignored by xapi: ${text(values, 'reason')}`,
  'host-mask-ignored': (values) => `mask '${text(values, 'mask')}' is ignored by xapi: ${text(values, 'reason')}`,
  'host-mask-stops-placement': (values) => `host mask '${text(values, 'hostMask')}'`,
  'priority-ignored': (values) => `${text(values, 'parameter')} '${text(values, 'value')}'`,
  'xe-mask-ignored': (values) => `mask '${text(values, 'mask')}'`,
  'empty-mask': (values) => vcpuList(numbers(values, 'vcpus')),
  'cpus-beyond-host': (values) =>
    `${plural(numbers(values, 'cpus').length, 'number')} not in 0-${(number(values, 'pcpus') ?? 1) - 1}: ${numbers(values, 'cpus').slice(0, 8).join(', ')}`,
  'masks-surplus': (values) => `${number(values, 'given')} masks for ${plural(number(values, 'vcpus') ?? 0, 'vCPU')}`,
  'first-mask-reused': (values) => `${plural(number(values, 'given') ?? 0, 'mask')} for ${plural(number(values, 'vcpus') ?? 0, 'vCPU')}`,
  ratchet: (values) =>
    records(values, 'nodes')
      .map(
        (one) =>
          `node ${number(one, 'node')}: ${formatBytes(number(one, 'seenBytes') ?? 0)} believed, ${formatBytes(number(one, 'freeBytes') ?? 0)} free`,
      )
      .join('; '),
  'usage-never-falls': (values) =>
    records(values, 'nodes')
      .map((one) => `node ${number(one, 'node')}: counted ${number(one, 'count')}, living ${number(one, 'living')}`)
      .join('; '),
  'plan-not-deducted': (values) =>
    `${nodeList(numbers(values, 'nodes'))}, while ${plural(numbers(values, 'others').length, 'other VM')} not built yet had the same in view`,
  'multi-node-plan-sets-nothing': (values) => nodeList(numbers(values, 'nodes')),
  'claim-refused': (values) => `node ${number(values, 'node')}, ${text(values, 'errno')}`,
  'no-node-claims': (values) => `node ${number(values, 'node')}, ${text(values, 'errno')}`,
  'more-vcpus-than-cpus': (values) => `${number(values, 'vcpus')} vCPUs, ${number(values, 'cpus')} CPUs`,
  'single-nodes-only': (values) => `${number(values, 'nodes')} nodes`,
  'policy-changes-later-builds': (values) => `built by: ${text(values, 'builtBy')}; now: ${text(values, 'now')}`,
  'soft-is-a-preference': (values) => `CPUs ${text(values, 'cpus')}`,
  'pool-before-placement': (values) => formatBytes(number(values, 'bytes') ?? 0),
  'memory-spilled': (values) => `${nodesWithPages(values)}; node affinity: ${nodeList(numbers(values, 'affinity'))}`,
  'memory-alternates': (values) => nodeList(numbers(values, 'nodes')),
  'hard-narrower-than-memory': (values) => nodesWithPages(values),
  'gigabyte-extents': (values) =>
    `${number(values, 'elsewhereGib')} GiB of it, although the domain's memory is to come from ${nodeList(numbers(values, 'nodes'))}`,
  'dma-memory-last': (values) => `${pagesText(number(values, 'freePages') ?? 0)} left free on node 0, ${nodesWithPages(values)}`,
  'dirty-memory': (values) => pagesText(number(values, 'scrubPages') ?? 0),
  'pin-moves-no-memory': (values) => `memory still on ${nodeList(numbers(values, 'nodes'))}`,
  'manual-node-affinity': (values) => nodeList(numbers(values, 'nodes')),
  'all-nodes-is-not-all': (values) => nodeList(numbers(values, 'nodes')),
  'xl-cpus-string': (values) => `hard affinity CPUs ${text(values, 'cpus')}, memory on ${nodeList(numbers(values, 'nodes'))}`,
};
