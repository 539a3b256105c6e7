// The position of each node, edge and box of the chart in the picture. The chart is fixed, so its
// layout is hand-made data: four columns, nine rows, no crossing lines. Units: pixels of the SVG's
// own coordinates.
import type { EdgeId, NodeId, SubgraphId } from '../chart.js';
import { textWidth } from './text-width.js';

export const PICTURE = { width: 1280, height: 1404 } as const;

const NODE_WIDTH = 200;
const STEP_HEIGHT = 66;
const DECISION_HEIGHT = 76;
const RESULT_HEIGHT = 88;
/** Distance from the flat top of a decision's hexagon to its tips. */
export const DECISION_SLANT = 16;

// Centres of columns, and of rows.
const A = 160;
const B = 470;
const C = 780;
const D = 1090;
const ROW = [160, 318, 440, 600, 722, 894, 1018, 1142, 1256] as const;
/** The corridor right of column D. */
const RIGHT = 1228;
const BOTTOM = 1328;

export interface Place {
  /** Centre. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const step = (x: number, row: number): Place => ({ x, y: ROW[row - 1]!, width: NODE_WIDTH, height: STEP_HEIGHT });
const decision = (x: number, row: number): Place => ({ x, y: ROW[row - 1]!, width: NODE_WIDTH, height: DECISION_HEIGHT });

export const NODE_PLACES: Readonly<Record<NodeId, Place>> = {
  'is_xe_vCPUparams_mask_set?': decision(A, 1),
  set_hard_affinity: step(B, 1),
  'is_Host.numa_affinity_policy_set?': decision(A, 2),
  'has_hard_affinity?': decision(B, 2),
  numa_placement: step(B, 3),
  XEN_VCPUAFFINITY_SOFT: step(D, 3),
  exec_xenguest: step(A, 4),
  stub_xc_hvm_build: step(B, 4),
  configure_vcpus: step(C, 4),
  'set_hard_affinity?': decision(D, 4),
  xc_domain_node_setaffinity: step(C, 5),
  XEN_VCPUAFFINITY_HARD: step(D, 5),
  'is_new_affinity_all_nodes?': decision(B, 6),
  do_domctl: decision(D, 6),
  disable_auto_node_affinity: step(A, 7),
  enable_auto_node_affinity: step(B, 7),
  domain_update_node_aff: step(C, 7),
  vcpu_set_affinity: step(D, 7),
  check_auto_node: decision(C, 8),
  set_node_affinity_from_vcpu_affinities: step(C, 9),
  domain_node_affinity: { ...step(B, 9), height: RESULT_HEIGHT },
};

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  /** The upper corner of its title. */
  readonly title: 'left' | 'right';
}

export const SUBGRAPH_BOXES: Readonly<Record<SubgraphId, Box>> = {
  'VM.create': { left: 42, top: 88, right: 588, bottom: 210, title: 'right' },
  'VM.build': { left: 42, top: 240, right: 588, bottom: 490, title: 'right' },
  xenguest: { left: 42, top: 528, right: 1208, bottom: 654, title: 'right' },
  xen: { left: 24, top: 782, right: 1256, bottom: 1352, title: 'left' },
  domain_set_node_affinity: { left: 42, top: 818, right: 588, bottom: 1064, title: 'left' },
  domain_update_node_affinity: { left: 662, top: 944, right: 898, bottom: 1306, title: 'left' },
};

/** Free space for text about the run. */
export const PANEL: Omit<Box, 'title'> = { left: 626, top: 88, right: 1256, bottom: 386 };

export interface Route {
  /**
   * Corners from the border of the one node to the border of the other; each leg is horizontal or
   * vertical.
   */
  readonly points: readonly (readonly [x: number, y: number])[];
  /** The middle of its label, on the line. */
  readonly label: readonly [x: number, y: number];
}

const route = (points: readonly (readonly [number, number])[], label: readonly [number, number]): Route => ({ points, label });
const half = (place: Place) => ({ w: place.width / 2, h: place.height / 2 });
const S = half(step(A, 1));
const Q = half(decision(A, 1));
const y = (row: number) => ROW[row - 1]!;
/** x of a decision's slanted side, 14 above or below its tip. */
const SLOPE = (DECISION_SLANT * 14) / Q.h;

export const EDGE_ROUTES: Readonly<Record<EdgeId, Route>> = {
  'is_xe_vCPUparams_mask_set? -> set_hard_affinity': route(
    [
      [A + Q.w, y(1)],
      [B - S.w, y(1)],
    ],
    [(A + B) / 2, y(1)],
  ),
  'set_hard_affinity -> is_Host.numa_affinity_policy_set?': route(
    [
      [B, y(1) + S.h],
      [B, 226],
      [200, 226],
      [200, y(2) - Q.h],
    ],
    [(A + B) / 2, 226],
  ),
  'is_xe_vCPUparams_mask_set? -> is_Host.numa_affinity_policy_set?': route(
    [
      [130, y(1) + Q.h],
      [130, y(2) - Q.h],
    ],
    [130, 226],
  ),
  'is_Host.numa_affinity_policy_set? -> has_hard_affinity?': route(
    [
      [A + Q.w, y(2)],
      [B - Q.w, y(2)],
    ],
    [(A + B) / 2, y(2)],
  ),
  'has_hard_affinity? -> exec_xenguest': route(
    [
      [410, y(2) + Q.h],
      [410, 382],
      [315, 382],
      [315, 464],
      [190, 464],
      [190, y(4) - S.h],
    ],
    [315, 424],
  ),
  'has_hard_affinity? -> numa_placement': route(
    [
      [B + 20, y(2) + Q.h],
      [B + 20, y(3) - S.h],
    ],
    [B + 20, 381],
  ),
  'numa_placement -> exec_xenguest': route(
    [
      [B, y(3) + S.h],
      [B, 509],
      [236, 509],
      [236, y(4) - S.h],
    ],
    [(A + B) / 2 + 30, 509],
  ),
  'is_Host.numa_affinity_policy_set? -> exec_xenguest': route(
    [
      [130, y(2) + Q.h],
      [130, y(4) - S.h],
    ],
    [130, 424],
  ),
  'exec_xenguest -> stub_xc_hvm_build': route(
    [
      [A + S.w, y(4)],
      [B - S.w, y(4)],
    ],
    [(A + B) / 2, y(4)],
  ),
  'stub_xc_hvm_build -> configure_vcpus': route(
    [
      [B + S.w, y(4)],
      [C - S.w, y(4)],
    ],
    [(B + C) / 2, y(4)],
  ),
  'configure_vcpus -> set_hard_affinity?': route(
    [
      [C + S.w, y(4)],
      [D - Q.w, y(4)],
    ],
    [(C + D) / 2, y(4)],
  ),
  'numa_placement -> XEN_VCPUAFFINITY_SOFT': route(
    [
      [B + S.w, y(3)],
      [D - S.w, y(3)],
    ],
    [C, y(3)],
  ),
  'XEN_VCPUAFFINITY_SOFT -> do_domctl': route(
    [
      [D + S.w, y(3)],
      [RIGHT, y(3)],
      [RIGHT, y(6) - 14],
      [D + Q.w - SLOPE, y(6) - 14],
    ],
    [RIGHT, y(5)],
  ),
  'set_hard_affinity? -> XEN_VCPUAFFINITY_HARD': route(
    [
      [D, y(4) + Q.h],
      [D, y(5) - S.h],
    ],
    [D, 664],
  ),
  'XEN_VCPUAFFINITY_HARD -> do_domctl': route(
    [
      [D, y(5) + S.h],
      [D, y(6) - Q.h],
    ],
    [D, 806],
  ),
  'xc_domain_node_setaffinity -> do_domctl': route(
    [
      [C, y(5) + S.h],
      [C, y(6) - 14],
      [D - Q.w + SLOPE, y(6) - 14],
    ],
    [C, 806],
  ),
  'domain_update_node_aff -> check_auto_node': route(
    [
      [C, y(7) + S.h],
      [C, y(8) - Q.h],
    ],
    [C, 1077],
  ),
  'check_auto_node -> set_node_affinity_from_vcpu_affinities': route(
    [
      [C, y(8) + Q.h],
      [C, y(9) - S.h],
    ],
    [C, 1200],
  ),
  'do_domctl -> vcpu_set_affinity': route(
    [
      [D, y(6) + Q.h],
      [D, y(7) - S.h],
    ],
    [D, 956],
  ),
  'vcpu_set_affinity -> domain_update_node_aff': route(
    [
      [D - S.w, y(7)],
      [C + S.w, y(7)],
    ],
    [(C + D) / 2, y(7)],
  ),
  'do_domctl -> is_new_affinity_all_nodes?': route(
    [
      [D - Q.w + SLOPE, y(6) + 14],
      [B + Q.w - SLOPE, y(6) + 14],
    ],
    [C, y(6) + 14],
  ),
  'is_new_affinity_all_nodes? -> enable_auto_node_affinity': route(
    [
      [B, y(6) + Q.h],
      [B, y(7) - S.h],
    ],
    [B, 956],
  ),
  'enable_auto_node_affinity -> domain_update_node_aff': route(
    [
      [B + S.w, y(7)],
      [C - S.w, y(7)],
    ],
    [(B + C) / 2, y(7)],
  ),
  'is_new_affinity_all_nodes? -> disable_auto_node_affinity': route(
    [
      [B - Q.w, y(6)],
      [A, y(6)],
      [A, y(7) - S.h],
    ],
    [(A + B) / 2, y(6)],
  ),
  'disable_auto_node_affinity -> domain_update_node_aff': route(
    [
      [200, y(7) + S.h],
      [200, 1084],
      [710, 1084],
      [710, y(7) + S.h],
    ],
    [B, 1084],
  ),
  'disable_auto_node_affinity -> domain_node_affinity': route(
    [
      [140, y(7) + S.h],
      [140, y(9)],
      [B - S.w, y(9)],
    ],
    [140, 1170],
  ),
  'set_node_affinity_from_vcpu_affinities -> domain_node_affinity': route(
    [
      [C - S.w, y(9)],
      [B + S.w, y(9)],
    ],
    [(B + C) / 2, y(9)],
  ),
  'domain_node_affinity -> do_domctl': route(
    [
      [B, y(9) + RESULT_HEIGHT / 2],
      [B, BOTTOM],
      [RIGHT, BOTTOM],
      [RIGHT, y(6) + 14],
      [D + Q.w - SLOPE, y(6) + 14],
    ],
    [1000, BOTTOM],
  ),
};

/** Size of a label on an edge, for its background and for the test that nothing overlaps. */
export function edgeLabelSize(text: string): { readonly width: number; readonly height: number } {
  return { width: Math.ceil(14 + textWidth(text, 11, 'bold')), height: 18 };
}
