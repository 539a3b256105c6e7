import { replayRecords } from '../../../test/support/recorded-cases.js';

replayRecords({
  kind: 'libxl',
  files: /^libxl-placement\.jsonl\.gz$/,
  answers: [
    'rc',
    'candidates',
    'log',
    'selected',
    'after',
    'error',
    'nodeAffinity',
    'hardSoft',
    'pagesPerNode',
    'pages',
    'freeDelta',
    'output',
  ],
});
