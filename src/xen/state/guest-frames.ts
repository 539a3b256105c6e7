// The frames of a guest with hardware virtualisation that have memory, and those that will be
// populated on demand: the part of its p2m that decides whether memory can be populated on demand
// (xen/arch/x86/mm/p2m.c, p2m-pod.c).

export type FrameKind = 'ram' | 'promised';

interface Run {
  start: number;
  /** One past the last frame. */
  end: number;
  readonly kind: FrameKind;
}

/** Four levels of 512 entries: a frame from here on cannot be mapped. */
const FRAMES = 2 ** 36;
/** Largest page of a p2m: 1 GiB. */
const LARGEST_PAGES = 2 ** 18;

export class GuestFrames {
  /** Frames that are promised memory. */
  promised = 0;
  /** Ascending, not overlapping; two of a kind that touch are one. */
  readonly #runs: Run[] = [];

  /**
   * An extent of memory: what was there before is there no more (guest_physmap_add_entry()).
   * @returns false when it goes beyond the last frame: then the part before that is mapped all the
   * same (p2m_set_entry())
   */
  map(start: number, pages: number): boolean {
    const end = Math.min(start + pages, FRAMES);
    if (start < end) this.#set(start, end, 'ram');
    return end === start + pages;
  }

  /**
   * An extent, a power of two of pages, promised memory on demand. It is marked in parts as large
   * as its first frame is aligned, each only when none of its frames has memory; the first that
   * cannot be marked ends it (guest_physmap_mark_populate_on_demand() and
   * mark_populate_on_demand()).
   * @returns 'marked'; 'refused' when not all of it is; 'broken' when a part of more than one frame
   * goes beyond the last frame, which Xen crashes the domain for, as it cannot tell how much of the
   * part it changed
   */
  promise(start: number, pages: number): 'marked' | 'refused' | 'broken' {
    const size = partOf(start, pages);
    const mappable = Math.max(start, Math.min(start + pages, FRAMES));
    const memory = this.#firstMemory(start, mappable);
    const end = memory === undefined ? mappable : memory - ((memory - start) % size);
    if (start < end) this.#set(start, end, 'promised');
    if (end === start + pages) return 'marked';
    return memory === undefined && size > 1 ? 'broken' : 'refused';
  }

  /** First frame of [start, end) that has memory. */
  #firstMemory(start: number, end: number): number | undefined {
    for (let at = this.#firstEndingAfter(start); at < this.#runs.length && this.#runs[at]!.start < end; at++) {
      const run = this.#runs[at]!;
      if (run.kind === 'ram') return Math.max(run.start, start);
    }
    return undefined;
  }

  #set(start: number, end: number, kind: FrameKind): void {
    if (kind === 'promised') this.promised += end - start;
    const runs = this.#runs;
    const last = runs.at(-1);
    // As guests are built: from the lowest frame upwards.
    if (last === undefined || start >= last.end) {
      if (last !== undefined && last.end === start && last.kind === kind) last.end = end;
      else runs.push({ start, end, kind });
      return;
    }
    const from = this.#firstEndingAfter(start - 1);
    const fresh: Run = { start, end, kind };
    const pieces: Run[] = [];
    let to = from;
    for (; to < runs.length && runs[to]!.start <= end; to++) {
      const old = runs[to]!;
      const covered = Math.min(old.end, end) - Math.max(old.start, start);
      if (old.kind === 'promised') this.promised -= Math.max(0, covered);
      if (old.kind === kind) {
        fresh.start = Math.min(fresh.start, old.start);
        fresh.end = Math.max(fresh.end, old.end);
        continue;
      }
      if (old.start < start) pieces.push({ start: old.start, end: Math.min(old.end, start), kind: old.kind });
      if (old.end > end) pieces.push({ start: Math.max(old.start, end), end: old.end, kind: old.kind });
    }
    pieces.push(fresh);
    runs.splice(from, to - from, ...pieces.sort((a, b) => a.start - b.start));
  }

  /** Index of the first run whose end is after `frame`. */
  #firstEndingAfter(frame: number): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#runs[middle]!.end > frame) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** Size of the parts: as the extent is aligned. */
function partOf(start: number, pages: number): number {
  let size = Math.min(pages, LARGEST_PAGES);
  while (start % size !== 0) size /= 2;
  return size;
}
