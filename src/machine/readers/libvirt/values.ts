// Sizes and sets of CPUs as libvirt writes them (libvirt, src/util: virScaleInteger,
// virBitmapParse).

const SCALES = 'kmgtpe';

/**
 * A whole number and a unit: "KiB" when none is given; a letter alone counts as the binary unit.
 * Undefined for anything else.
 */
export function parseMemoryBytes(text: string, unit: string | undefined): number | undefined {
  const number = text.trim();
  if (!/^\d{1,19}$/.test(number)) return undefined;
  const word = (unit === undefined || unit === '' ? 'KiB' : unit).toLowerCase();
  if (word === 'b' || word === 'byte' || word === 'bytes') return Number(number);
  const power = SCALES.indexOf(word.charAt(0)) + 1;
  const rest = word.slice(1);
  if (power === 0 || (rest !== '' && rest !== 'ib' && rest !== 'b')) return undefined;
  return Number(number) * (rest === 'b' ? 1000 : 1024) ** power;
}

/** libvirt's own bound on a number in such a set. */
const MOST = 16_384;

/**
 * "0-3,^2,8": items count in their order, and one with ^ takes a number out again. Undefined for
 * anything else.
 */
export function parseCpuSet(text: string): number[] | undefined {
  const members = new Set<number>();
  // Overlapping ranges are cheap to write and dear to expand.
  let budget = 16 * MOST;
  for (const item of text.split(',')) {
    const match = /^\s*(\^)?\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?$/.exec(item);
    if (match === null || (match[1] !== undefined && match[3] !== undefined)) return undefined;
    const [from, to] = [Number(match[2]), Number(match[3] ?? match[2])];
    budget -= to - from + 1;
    if (from > to || to >= MOST || budget < 0) return undefined;
    for (let member = from; member <= to; member++) {
      if (match[1] === undefined) members.add(member);
      else members.delete(member);
    }
  }
  return members.size === 0 ? undefined : [...members].sort((a, b) => a - b);
}
