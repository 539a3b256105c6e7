// The worker of the page with the embedded host: plans, moves, and hosts that are only described.
import { answerRequests } from './lib/answer-requests.js';
import { type MovesRequest, movesOf } from './lib/moves.js';
import { type StartRequest, startDescribed } from './lib/start-described.js';
import { type WhatIfRequest, whatIf } from './lib/what-if.js';

answerRequests<WhatIfRequest | StartRequest | MovesRequest>(async (request, progress) => {
  if ('described' in request) return startDescribed(request, progress);
  return 'moves' in request ? movesOf(request) : whatIf(request, progress);
});
