// `compare --html`: profiles and policies side by side. Differences from the first are marked.
import { plural } from '../../../base/phrases.js';
import { formatBytes, PAGE_BYTES } from '../../../base/units.js';
import { markDifferences, type PageReport } from '../../../page/page-report.js';
import type { CompareAnswer } from '../../answers/answers.js';
import { distanceWords } from '../phrases.js';

type Row = CompareAnswer['rows'][number];
type There = Row & { readonly totals: NonNullable<Row['totals']> };

/** Cells of a row before its figures: the profile and the policy. */
const SETTINGS = 2;

export function compareReport({ host, vms, rows, recommendation, warnings }: CompareAnswer): PageReport {
  const there = rows.filter((row): row is There => row.totals !== null);
  const bounded = rows.some(({ bound }) => bound !== null);
  const absent = rows.filter(({ totals }) => totals === null).map(({ profile, policy }) => `${profile} has no policy ${policy}.`);
  return {
    name: 'Compared',
    title: `${host}: ${plural(vms, 'VM')} under ${plural(there.length, 'toolstack setting')}`,
    sentences: [
      'The VMs are started in order, on a fresh host for each row. Marked cells differ from the first row.',
      ...(recommendation === null ? [] : [recommendation.text]),
      ...absent,
      ...warnings.map(({ text }) => text),
    ],
    tables: [
      {
        caption: 'Profiles and policies',
        columns: [
          ...['Profile', 'Policy', 'On one node', ...(bounded ? ['At most'] : [])],
          ...['Mean distance', 'Worst distance', 'Off the nodes of vCPUs', 'Failed'],
        ],
        rows: markDifferences(
          there.map((row) => cellsOf(row, vms, bounded)),
          SETTINGS,
        ),
      },
    ],
    bars: [
      {
        title: 'VMs on one node',
        most: vms,
        bars: there.map((row) => ({
          name: `${row.profile}, ${policyName(row)}`,
          value: row.totals.onOneNode,
          bound: atMost(row.bound),
        })),
      },
    ],
    plots: [],
    commands: (recommendation?.commands ?? []).map((text) => ({ text, why: 'Makes it so at the next start of each VM.' })),
  };
}

/** The best packing where it is known. */
const atMost = (bound: Row['bound']): number | null => (bound === null ? null : (bound.best ?? bound).onOneNode);

const policyName = ({ policy, means }: Row): string => (means === null || means === policy ? policy : `${policy} (${means})`);

function cellsOf(row: There, vms: number, bounded: boolean): string[] {
  const { totals, bound } = row;
  return [
    ...[row.profile, policyName(row), `${totals.onOneNode} of ${vms}`],
    ...(bounded ? [bound === null ? 'not known' : String(atMost(bound))] : []),
    ...[distanceWords(totals.meanDistance), distanceWords(totals.worstDistance)],
    ...[totals.remotePages === 0 ? '0' : formatBytes(totals.remotePages * PAGE_BYTES), String(totals.failed)],
  ];
}
