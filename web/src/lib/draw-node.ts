// A node as a picture: its memory as a bar, to the scale of the host, and a square for each CPU. A
// canvas, as one element for each of thousands of CPUs is too slow; the text beside it says the same.
import { PAGE_BYTES } from '../../../src/base/units.js';
import type { MapCpu } from '../../../src/map/host-map.js';
import type { Segment } from '../../../src/view/segments.js';
import { colours } from './theme.svelte.js';
import type { HostView, VmRow } from './view.js';

const BAR_PX = 22;
const GAP_PX = 6;
const CPU_MOST_PX = 12;
const CPU_LEAST_PX = 4;
const ROWS_MOST = 6;

export interface NodePicture {
  readonly view: HostView;
  readonly node: number;
  /** Of the chosen VM: its memory is framed, and the CPUs of its affinity are marked. */
  readonly marks: VmMarks | null;
  /** CSS pixels. */
  readonly width: number;
  readonly height: number;
}

export interface VmMarks {
  /** Position in the view's rows. */
  readonly row: number;
  /** Index = node. */
  readonly pages: readonly number[];
  /** Index = CPU: a value of CpuMark. */
  readonly cpus: Uint8Array;
  /** Index = node: equal for nodes of equal marks, '' where there is none. */
  readonly ofNode: readonly string[];
}
const CpuMark = { none: 0, mayRun: 1, preferred: 2 } as const;

const known = new WeakMap<VmRow, VmMarks>();

/** Once for all nodes. */
export function marksOf(view: HostView, vm: VmRow | null): VmMarks | null {
  if (vm === null) return null;
  let marks = known.get(vm);
  if (marks === undefined) {
    const cpus = new Uint8Array(view.map.cpus.length);
    // vCPUs with the same masks share one list.
    for (const list of new Set(vm.figures.vcpus.map(({ effective }) => effective))) for (const cpu of list) cpus[cpu] = CpuMark.mayRun;
    for (const list of new Set(vm.figures.vcpus.map(({ preferred }) => preferred))) for (const cpu of list) cpus[cpu] = CpuMark.preferred;
    const { pages } = vm.domain;
    marks = { row: view.rows.indexOf(vm), pages, cpus, ofNode: view.cpus.map((ones) => marksOfNode(cpus, ones)) };
    known.set(vm, marks);
  }
  return marks;
}

function marksOfNode(marks: Uint8Array, cpus: readonly MapCpu[]): string {
  const first = cpus.length === 0 ? CpuMark.none : marks[cpus[0]!.id]!;
  // A plain loop: a choice looks at thousands of CPUs.
  let at = 1;
  while (at < cpus.length && marks[cpus[at]!.id] === first) at++;
  if (at >= cpus.length) return first === CpuMark.none ? '' : String(first);
  return cpus.map(({ id }) => marks[id]).join('');
}

/** The two parts of a picture, as keys: in one view, parts with the same key are equal. */
export interface PictureKeys {
  readonly size: string;
  /** The framed row, -1 = none. */
  readonly bar: number;
  readonly cpus: string;
}

export function pictureKeys({ view, node, marks, width, height }: NodePicture): PictureKeys {
  const framed = marks !== null && marks.pages[node]! > 0 && view.segments[node]!.some(({ domain }) => domain === marks.row);
  return { size: `${width} ${height}`, bar: framed ? marks.row : -1, cpus: marks?.ofNode[node] ?? '' };
}

/** Side of a CPU's square with its gap. */
function cpuPitch(cpus: number, width: number): number {
  for (let side = CPU_MOST_PX; side > CPU_LEAST_PX; side--)
    if (Math.ceil(cpus / Math.max(1, Math.floor(width / side))) <= ROWS_MOST) return side;
  return CPU_LEAST_PX;
}

export function nodeHeight(cpus: number, width: number): number {
  if (cpus === 0 || width <= 0) return BAR_PX;
  const pitch = cpuPitch(cpus, width);
  return BAR_PX + GAP_PX + pitch * Math.ceil(cpus / Math.max(1, Math.floor(width / pitch)));
}

/** @param before what the canvas shows of the same view in the same colours; null = nothing of use */
export function drawNode(canvas: HTMLCanvasElement, picture: NodePicture, now: PictureKeys, before: PictureKeys | null): void {
  const { width, height } = picture;
  const context = canvas.getContext('2d');
  if (context === null || width <= 0) return;
  const same = before?.size === now.size;
  if (!same) {
    canvas.width = Math.round(width * devicePixelRatio);
    canvas.height = Math.round(height * devicePixelRatio);
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  }
  const colour = colours();
  if (!same || before.bar !== now.bar) {
    context.clearRect(0, 0, width, BAR_PX);
    drawBar(context, picture, colour);
  }
  if (!same || before.cpus !== now.cpus) {
    context.clearRect(0, BAR_PX, width, height - BAR_PX);
    drawCpus(context, picture, colour);
  }
}

type Colour = (name: string) => string;

function drawBar(context: CanvasRenderingContext2D, { view, node, marks, width }: NodePicture, colour: Colour): void {
  const scale = width / view.scaleBytes;
  const chosen = marks?.row ?? -1;
  let x = 0;
  for (const segment of view.segments[node]!) {
    const wide = segment.pages * PAGE_BYTES * scale;
    fillSegment(context, segment, x, wide, colour);
    if (segment.domain === chosen && chosen >= 0) {
      context.strokeStyle = colour('ink');
      context.lineWidth = 3;
      context.strokeRect(x + 1.5, 1.5, Math.max(1, wide - 3), BAR_PX - 3);
    }
    x += wide;
  }
  context.strokeStyle = colour('quiet');
  context.lineWidth = 1;
  context.strokeRect(0.5, 0.5, Math.max(1, view.map.nodes[node]!.memoryBytes * scale - 1), BAR_PX - 1);
}

function fillSegment(context: CanvasRenderingContext2D, { kind, remote }: Segment, x: number, wide: number, colour: Colour): void {
  if (kind === 'free') return;
  if (kind === 'claimed') {
    context.setLineDash([3, 2]);
    context.lineWidth = 1;
    context.strokeStyle = colour('ink');
    context.strokeRect(x + 1, 1.5, Math.max(1, wide - 2), BAR_PX - 3);
    context.setLineDash([]);
    return;
  }
  const vm = kind === 'vm' || kind === 'others';
  if (kind === 'dom0' || kind === 'xen') context.fillStyle = colour(kind);
  else context.fillStyle = colour(remote ? 'remote' : 'local');
  // A line between neighbours, where there is room for one.
  const inner = wide > 3 ? wide - 1 : wide;
  context.fillRect(x, 0, inner, BAR_PX);
  if (!(vm && remote)) return;
  context.save();
  context.beginPath();
  context.rect(x, 0, inner, BAR_PX);
  context.clip();
  context.strokeStyle = colour('paper');
  context.lineWidth = 1.5;
  context.beginPath();
  for (let at = x - BAR_PX; at < x + inner; at += 6) {
    context.moveTo(at, BAR_PX);
    context.lineTo(at + BAR_PX, 0);
  }
  context.stroke();
  context.restore();
}

function drawCpus(context: CanvasRenderingContext2D, { view, node, marks, width }: NodePicture, colour: Colour): void {
  const cpus = view.cpus[node]!;
  if (cpus.length === 0) return;
  const pitch = cpuPitch(cpus.length, width);
  const side = pitch - (pitch > 6 ? 2 : 1);
  const columns = Math.max(1, Math.floor(width / pitch));
  // Squares of one kind are one path: thousands are drawn at once.
  const [offline, preferred, mayRun, others] = [new Path2D(), new Path2D(), new Path2D(), new Path2D()];
  for (const [index, { id, online }] of cpus.entries()) {
    const x = (index % columns) * pitch;
    const y = BAR_PX + GAP_PX + Math.floor(index / columns) * pitch;
    const mark = marks?.cpus[id] ?? CpuMark.none;
    if (!online) {
      offline.moveTo(x, y);
      offline.lineTo(x + side, y + side);
    } else if (mark === CpuMark.preferred) preferred.rect(x, y, side, side);
    else (mark === CpuMark.mayRun ? mayRun : others).rect(x + 0.5, y + 0.5, side - 1, side - 1);
  }
  context.lineWidth = 1;
  context.fillStyle = colour('accent');
  context.fill(preferred);
  for (const [path, name] of [
    [offline, 'line'],
    [mayRun, 'accent'],
    [others, 'local'],
  ] as const) {
    context.strokeStyle = colour(name);
    context.stroke(path);
  }
}
