// The embedded host in a worker, from the page's side.

import type { PageReport } from '../../../src/page/page-report.js';
import { Background } from './background.js';
import type { MovesRequest } from './moves.js';
import type { OpenedPage } from './opened.js';
import type { StartRequest } from './start-described.js';
import type { WhatIfAnswer, WhatIfRequest } from './what-if.js';

type Progress = (started: number) => void;

export class Planner {
  readonly #worker: Background;

  /** @param address of the worker's script */
  constructor(address: () => Promise<string>) {
    this.#worker = new Background(address);
  }

  /** @throws Error with a sentence when there can be no such plan */
  plan(request: WhatIfRequest, progress: Progress): Promise<WhatIfAnswer> {
    return this.#worker.request(request, progress) as Promise<WhatIfAnswer>;
  }

  /** The moves that bring running VMs near their memory. @throws Error with a sentence */
  moves(moves: MovesRequest['moves']): Promise<PageReport> {
    return this.#worker.request({ moves } satisfies MovesRequest) as Promise<PageReport>;
  }

  /** A host that is only described, with its VMs started. */
  start(request: StartRequest, progress: Progress): Promise<OpenedPage> {
    return this.#worker.request(request, progress) as Promise<OpenedPage>;
  }

  /** Ends what is planned or started now. */
  stop(why: string): void {
    this.#worker.stop(why);
  }
}
