// The package's own interface: what other programs import from 'xennuma'. docs/library.md shows it at work. Boxes of the chart: all.
export { type Bitset, formatList, parseList } from './base/bitset.js';
export { ERRNO, type Errno, InputError, type InputPlace, XenError } from './base/errors.js';
export { EDGES, type EdgeId, NODES, type NodeId } from './flow/chart.js';
export { type ExplainOptions, explain } from './flow/explain/explain.js';
export { type FlowEntry, FlowRecord, type FlowSink, type FlowValue } from './flow/record.js';
export { FLOW_FORMATS, type FlowFormat, renderFlow } from './flow/render/render.js';
export { type Host, type HostCpu, type HostNode, LIMITS, UNREACHABLE } from './machine/model.js';
export { detectAndRead, detectFormat, type HostFormat } from './machine/readers/detect.js';
export { detectAndReadVms } from './machine/readers/detect-vms.js';
export { hostJsonSchema } from './machine/readers/host-file.js';
export type { InputText } from './machine/readers/input-text.js';
export { vmsJsonSchema } from './machine/readers/vm-file.js';
export type { VmBoot, VmKind, VmSpec } from './machine/vm.js';
export { asXenSees } from './machine/xen-sees.js';
export { type DomainFigures, type HostFigures, hostFigures } from './map/figures.js';
export type { HostMap, MapCpu, MapDomain, MapNode, MapVcpu } from './map/host-map.js';
export { type BestEffortOptions, bestEffort } from './planner/best-effort.js';
export type { PlacementPolicy, PlacementRequest, PlacementState, Plan, PlannerHost, Weighed } from './planner/policy.js';
export { xlPlacement } from './planner/xl-placement.js';
export { readScenario, type Scenario } from './scenario/read-scenario.js';
export { type EventResult, runScenario } from './scenario/run-scenario.js';
export { scenarioJsonSchema } from './scenario/schema.js';
export { renderHostMapSvg } from './view/host-map-svg.js';
export { type HostMapTextOptions, renderHostMapText } from './view/host-map-text.js';
export type { HypercallDoor } from './xenctrl/doors/door.js';
export { EmbeddedDoor } from './xenctrl/doors/embedded-door.js';
export { openXenctrl } from './xenctrl/open-xenctrl.js';
export type { Xenctrl } from './xenctrl/xenctrl.js';
export { type Profile, profileOf } from './xenopsd/api/profiles.js';
export {
  type HostDoors,
  type Outcome,
  type OutcomeFailure,
  type PlacementBelief,
  POLICIES,
  type PolicyName,
  PROFILES,
  type ProfileName,
  type Toolstack,
  type ToolstackOptions,
  type VmState,
  type Warning,
} from './xenopsd/api/toolstack.js';
export { type EmbeddedHost, type EmbeddedHostOptions, embeddedHost } from './xenopsd/hosts/embedded-host.js';
export { type XenHost, type XenHostOptions, xenHost } from './xenopsd/hosts/xen-host.js';
export { createToolstack } from './xenopsd/life/host-toolstack.js';
