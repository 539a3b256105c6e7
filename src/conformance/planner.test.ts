import { replayRecords } from '../../test/support/recorded-cases.js';

replayRecords({ kind: 'planner', files: /^planner(-26\.1)?\.jsonl\.gz$/, answers: ['seed', '26.1', 'new'], independent: true });
