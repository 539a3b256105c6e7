// `verify --html`: the drift, with a table for each host.
import { plural } from '../../../base/phrases.js';
import { cell, type PageReport, type ReportTable } from '../../../page/page-report.js';
import type { VerifyAnswer } from '../../answers/answers.js';
import { nodeWords } from '../phrases.js';

type Domain = VerifyAnswer['domains'][number];

export function verifyReport(answers: readonly VerifyAnswer[]): PageReport {
  const domains = answers.reduce((sum, answer) => sum + answer.domains.length, 0);
  const drifted = answers.reduce((sum, answer) => sum + answer.drifted, 0);
  return {
    name: 'Drift',
    title: drifted === 0 ? `${plural(domains, 'domain')}, no drift` : `${drifted} of ${plural(domains, 'domain')} with drift`,
    sentences: answers.flatMap(({ host, notes }) => notes.map((note) => `${host}: ${note}`)),
    tables: answers.map(tableOf),
    bars: [],
    plots: [],
    commands: [],
  };
}

function tableOf({ host, domains }: VerifyAnswer): ReportTable {
  const worstFirst = [...domains].sort((a, b) => b.drifts.length - a.drifts.length);
  return {
    caption: host,
    columns: ['Domain', 'ID', 'Requested by', 'Requested', 'Hard affinity', 'Node affinity', 'Memory on', 'Drift'],
    rows: worstFirst.map((domain) => [
      cell(domain.name),
      cell(String(domain.domid)),
      cell(domain.asked?.source ?? 'not recorded'),
      cell(requested(domain)),
      cell(domain.hard?.join(' | ') ?? 'not known'),
      cell(domain.nodeAffinity === null ? 'not known' : nodeWords(domain.nodeAffinity)),
      cell(domain.pagesByNode === null ? 'not known' : nodeWords(domain.pagesByNode.flatMap((pages, node) => (pages > 0 ? [node] : [])))),
      domain.drifts.length === 0 ? cell('none') : cell(domain.drifts.map(({ text }) => text).join(' '), true),
    ]),
  };
}

function requested({ asked }: Domain): string {
  if (asked === null || asked.hard === null) return 'not known';
  if (asked.hard === 'placed') return 'left to the placement';
  return typeof asked.hard === 'string' ? 'all CPUs' : asked.hard.map((list) => list ?? 'not known').join(' | ');
}
