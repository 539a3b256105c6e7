// Turns files that a user opens on the page into hosts: captures, status reports, listings of Xen's
// tools, or descriptions of a host with VMs. The readers are those of the command.
import { InputError } from '../base/errors.js';
import { ARCHIVE_LIMITS, type ArchiveLimits, archiveKind, readArchive } from '../live/capture/archive/archive.js';
import { type CapturedHost, readCapture } from '../live/capture/captured-host.js';
import { isOfXen, plainHost } from '../live/capture/text/plain-host.js';
import { textOfBytes } from '../live/capture/text/plain-text.js';
import { toolstackOfTexts } from '../live/capture/toolstack.js';
import { withModelledXen } from '../live/modelled-xen.js';
import { plannedProfile } from '../live/seen-profile.js';
import type { Host } from '../machine/model.js';
import { detectAndRead, looksLikeHost } from '../machine/readers/detect.js';
import { detectAndReadVms, looksLikeVms } from '../machine/readers/detect-vms.js';
import type { InputText } from '../machine/readers/input-text.js';
import type { VmSpec } from '../machine/vm.js';
import { DEFAULT_PROFILE, type ProfileName } from '../xenopsd/api/profiles.js';
import { type DroppedFile, PAGE_LIMITS } from './page-limits.js';

export interface DescribedHost {
  readonly host: Host;
  readonly vms: readonly VmSpec[];
  /** The host's own toolstack, where a listing of Xen shows it. */
  readonly profile: ProfileName;
}

/** Hosts that were recorded, or one that is only described, with the VMs to start there. */
export type ReadFiles =
  | { readonly captured: readonly CapturedHost[]; readonly described?: undefined }
  | { readonly described: DescribedHost; readonly captured?: undefined };

const LIMITS = { ...ARCHIVE_LIMITS, ...PAGE_LIMITS };

/**
 * An archive is one host. Texts with several `xl info` are a host each; otherwise all of them are
 * parts of one.
 * @throws InputError with file and line for what cannot be read, or does not belong together
 */
export async function readFiles(
  files: readonly DroppedFile[],
  limits: ArchiveLimits & { readonly files: number; readonly fileBytes: number } = LIMITS,
): Promise<ReadFiles> {
  if (files.length === 0) throw new InputError('expected a capture, a status report, listings or a description, got no file');
  const bytes = files.reduce((sum, file) => sum + file.bytes.length, 0);
  if (files.length > limits.files || bytes > limits.fileBytes) {
    throw new InputError(
      `expected at most ${limits.files} files and ${limits.fileBytes / 2 ** 20} MiB, got ${files.length} and ${Math.ceil(bytes / 2 ** 20)} MiB`,
      {},
      'drop the files of fewer hosts',
    );
  }
  const archives: InputText[][] = [];
  const texts: InputText[] = [];
  for (const file of files) {
    if (archiveKind(file.bytes) === null) texts.push({ file: file.name, text: textOfBytes(file.bytes) });
    else archives.push(await readArchive(file.bytes, file.name, limits));
  }
  const vms = texts.filter(({ text }) => looksLikeVms(text));
  const others = texts.filter(({ text }) => !looksLikeVms(text));
  const described = vms.length > 0 || others.some(looksLikeHost);
  if (!described) return { captured: [...archives, ...hostsOf(others)].map(readCapture) };
  if (archives.length > 0) {
    throw new InputError(
      'expected captures or descriptions, got both',
      { file: (vms[0] ?? others[0])!.file },
      'drop them one after the other; "What if?" adds VMs to a host that was recorded',
    );
  }
  const host = withModelledXen(detectAndRead(others.map(plainHost)));
  const seen = others.map(plainHost).some(isOfXen) ? toolstackOfTexts(others) : null;
  const own = seen === null ? null : plannedProfile({ ...seen, host });
  const shown = own === null ? host : { ...host, notes: [...host.notes, own.note] };
  return { described: { host: shown, vms: detectAndReadVms(vms, host), profile: own?.profile ?? DEFAULT_PROFILE } };
}

const INFO = /^(?:[> ]*)nr_nodes\s*:/m;

function hostsOf(texts: readonly InputText[]): (readonly InputText[])[] {
  if (texts.length === 0) return [];
  const infos = texts.filter(({ text }) => INFO.test(text));
  return infos.length > 1 ? texts.map((text) => [text]) : [texts];
}
