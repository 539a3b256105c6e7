// Entry to the renderings of the chart: `--flow FILE.{txt,mmd,svg}`.
import type { FlowRecord } from '../record.js';
import { renderFlowMermaid } from './mermaid.js';
import { renderFlowSvg } from './svg.js';
import { renderFlowText } from './text.js';

/** File extensions, which are the names of the formats. */
export const FLOW_FORMATS = ['txt', 'mmd', 'svg'] as const;

export type FlowFormat = (typeof FLOW_FORMATS)[number];

/**
 * The chart in a format for a file; `record` null = the chart alone. Text has no colours and is 100
 * columns wide.
 */
export function renderFlow(record: FlowRecord | null, format: FlowFormat): string {
  switch (format) {
    case 'txt':
      return renderFlowText(record, { color: false, width: 100 });
    case 'mmd':
      return renderFlowMermaid(record);
    case 'svg':
      return renderFlowSvg(record);
  }
}
