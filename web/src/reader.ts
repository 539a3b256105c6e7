// The worker of the page that reads dropped files. It is apart from the embedded host, since few
// visits need it.
import { wholePage } from '../../src/page/page-inputs.js';
import type { DroppedFile } from '../../src/page/page-limits.js';
import { pageOfCapture } from '../../src/page/page-of-capture.js';
import { readFiles } from '../../src/page/read-files.js';
import { answerRequests } from './lib/answer-requests.js';
import { openedPage } from './lib/opened.js';

interface FilesRequest {
  readonly version: string;
  readonly files: readonly DroppedFile[];
}

/** Recorded hosts as a page; a described one is for the other worker to start. */
answerRequests<FilesRequest>(async ({ version, files }) => {
  const { captured, described } = await readFiles(files);
  if (captured === undefined) return { described };
  return { page: openedPage(wholePage({ kind: 'file', version, takenAt: null }, await Promise.all(captured.map(pageOfCapture)))) };
});
