// A node as a picture: its memory as a bar, to the scale of the host, and a square for each CPU. A
// canvas, as one element for each of thousands of CPUs is too slow; the text beside it says the same.
import { PAGE_BYTES } from '../../../src/base/units.js';
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
  /** Index = CPU: a value of CpuMark. */
  readonly cpus: Uint8Array;
}
const CpuMark = { none: 0, mayRun: 1, preferred: 2 } as const;

const known = new WeakMap<VmRow, VmMarks>();

/** Once for all nodes. */
export function marksOf({ map, rows }: HostView, vm: VmRow | null): VmMarks | null {
  if (vm === null) return null;
  let marks = known.get(vm);
  if (marks === undefined) {
    const cpus = new Uint8Array(map.cpus.length);
    // vCPUs with the same masks share one list.
    for (const list of new Set(vm.figures.vcpus.map(({ effective }) => effective))) for (const cpu of list) cpus[cpu] = CpuMark.mayRun;
    for (const list of new Set(vm.figures.vcpus.map(({ preferred }) => preferred))) for (const cpu of list) cpus[cpu] = CpuMark.preferred;
    marks = { row: rows.indexOf(vm), cpus };
    known.set(vm, marks);
  }
  return marks;
}

/** Pictures of one view with the same key are equal. */
export function pictureKey({ view, node, marks, width, height }: NodePicture): string {
  const size = `${width} ${height}`;
  if (marks === null) return size;
  const framed = view.segments[node]!.some(({ domain }) => domain === marks.row);
  return `${size} ${framed ? marks.row : ''} ${view.cpus[node]!.map(({ id }) => marks.cpus[id]).join('')}`;
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

export function drawNode(canvas: HTMLCanvasElement, picture: NodePicture): void {
  const { width, height } = picture;
  const context = canvas.getContext('2d');
  if (context === null || width <= 0) return;
  const ratio = devicePixelRatio;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const colour = colours();
  drawBar(context, picture, colour);
  drawCpus(context, picture, colour);
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
