// A node as a picture: its memory as a bar, to the scale of the host, and a square for each CPU. A
// canvas, as one element for each of thousands of CPUs is too slow; the text beside it says the same.
import { PAGE_BYTES } from '../../../src/base/units.js';
import type { Segment } from '../../../src/view/segments.js';
import type { HostView, VmRow } from './view.js';

const BAR_PX = 22;
const GAP_PX = 6;
const CPU_MOST_PX = 12;
const CPU_LEAST_PX = 4;
const ROWS_MOST = 6;

export interface NodePicture {
  readonly view: HostView;
  readonly node: number;
  /** The chosen VM: its memory is framed, and the CPUs of its affinity are marked. */
  readonly vm: VmRow | null;
  /** CSS pixels. */
  readonly width: number;
  readonly height: number;
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
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`);
  drawBar(context, picture, colour);
  drawCpus(context, picture, colour);
}

type Colour = (name: string) => string;

function drawBar(context: CanvasRenderingContext2D, { view, node, vm, width }: NodePicture, colour: Colour): void {
  const scale = width / view.scaleBytes;
  const chosen = vm === null ? -1 : view.rows.indexOf(vm);
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

function drawCpus(context: CanvasRenderingContext2D, { view, node, vm, width }: NodePicture, colour: Colour): void {
  const cpus = view.map.cpus.filter((cpu) => cpu !== null && cpu.node === node);
  if (cpus.length === 0) return;
  const pitch = cpuPitch(cpus.length, width);
  const side = pitch - (pitch > 6 ? 2 : 1);
  const columns = Math.max(1, Math.floor(width / pitch));
  const prefers = new Set(vm?.figures.vcpus.flatMap(({ preferred }) => preferred));
  const mayRun = new Set(vm?.figures.vcpus.flatMap(({ effective }) => effective));
  // Siblings stand side by side.
  const ordered = [...cpus].sort((a, b) => a!.core - b!.core || a!.id - b!.id);
  ordered.forEach((cpu, index) => {
    const x = (index % columns) * pitch;
    const y = BAR_PX + GAP_PX + Math.floor(index / columns) * pitch;
    context.lineWidth = 1;
    if (!cpu!.online) {
      context.strokeStyle = colour('line');
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(x + side, y + side);
      context.stroke();
    } else if (prefers.has(cpu!.id)) {
      context.fillStyle = colour('accent');
      context.fillRect(x, y, side, side);
    } else {
      context.strokeStyle = mayRun.has(cpu!.id) ? colour('accent') : colour('local');
      context.strokeRect(x + 0.5, y + 0.5, side - 1, side - 1);
    }
  });
}
