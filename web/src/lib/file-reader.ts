// Files that are opened on the page: read by a worker of this browser, and sent nowhere.
import { type DroppedFile, PAGE_LIMITS } from '../../../src/page/page-limits.js';
import { Background } from './background.js';
import type { OpenedPage } from './opened.js';
import type { Planner } from './planner.js';
import type { Source } from './source.js';
import type { StartRequest } from './start-described.js';

type Read = { readonly page: OpenedPage; readonly described?: undefined } | Pick<StartRequest, 'described'>;

export class FileReader {
  readonly #worker: Background;
  readonly #planner: Planner;

  /**
   * @param address of the reader's script
   * @param planner starts the VMs of a description, and plans on what was read
   */
  constructor(address: () => Promise<string>, planner: Planner) {
    this.#worker = new Background(address);
    this.#planner = planner;
  }

  /** @throws Error with the place in a file and what to do */
  async open(files: readonly File[], version: string, progress: (started: number) => void): Promise<Source> {
    // Before anything is in memory.
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    if (files.length > PAGE_LIMITS.files || bytes > PAGE_LIMITS.fileBytes) {
      throw new Error(`At most ${PAGE_LIMITS.files} files and ${PAGE_LIMITS.fileBytes / 2 ** 20} MiB can be opened at once.`);
    }
    const read = await Promise.all(files.map(async (file): Promise<DroppedFile> => ({ name: file.name, bytes: await bytesOf(file) })));
    const answer = (await this.#worker.request({ version, files: read })) as Read;
    const page =
      answer.described === undefined ? answer.page : await this.#planner.start({ version, described: answer.described }, progress);
    return pageSource(page, this.#planner, this);
  }

  /** Ends the reading. */
  stop(): void {
    this.#worker.stop('The reading was stopped.');
    this.#planner.stop('The start of the VMs was stopped.');
  }
}

/** A folder is dropped like a file, and cannot be read as one. */
async function bytesOf(file: File): Promise<Uint8Array> {
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new Error(`${file.name}: cannot be read; of a folder, drop the files in it`);
  }
}

/** A page that is in memory. */
function pageSource({ data, runs, workloads }: OpenedPage, planner: Planner, files: FileReader): Source {
  return {
    snapshot: async () => data,
    explain: async (host, vm) => runs[host]?.[vm] ?? [],
    workload: async (host) => workloads[host] ?? null,
    planner,
    files,
  };
}
