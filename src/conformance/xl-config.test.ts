import { replayRecords } from '../../test/support/recorded-cases.js';

replayRecords({ kind: 'xl-config', files: /^xl-config\.jsonl\.gz$/, answers: ['rc', 'real'] });
