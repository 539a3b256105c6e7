// The package's own interface: what other programs import from 'xennuma'. docs/library.md shows it at work. Boxes of the chart: all.
export { type Bitset, formatList, parseList } from './cpuset/bitset.js';
export { ERRNO, type Errno, InputError, type InputPlace, XenError } from './errors.js';
export { EDGES, type EdgeId, NODES, type NodeId } from './flow/chart.js';
export { type ExplainOptions, explain } from './flow/explain.js';
export { type FlowEntry, FlowRecord, type FlowSink, type FlowValue } from './flow/record.js';
export { FLOW_FORMATS, type FlowFormat, renderFlow } from './flow/render.js';
export { detectAndRead, detectFormat, type HostFormat } from './host/detect.js';
export { detectAndReadVms } from './host/detect-vms.js';
export { type DomainFigures, type HostFigures, hostFigures } from './host/figures.js';
export { hostJsonSchema } from './host/host-file.js';
export type { HostMap, MapCpu, MapDomain, MapNode, MapVcpu } from './host/host-map.js';
export { type Host, type HostCpu, type HostNode, LIMITS, UNREACHABLE } from './host/model.js';
export type { InputText } from './host/text.js';
export type { VmBoot, VmKind, VmSpec } from './host/vm.js';
export { vmsJsonSchema } from './host/vm-file.js';
export { asXenSees } from './host/xen-sees.js';
export { type BestEffortOptions, bestEffort } from './planner/best-effort.js';
export type { PlacementPolicy, PlacementRequest, PlacementState, Plan, PlannerHost, Weighed } from './planner/policy.js';
export { xlPlacement } from './planner/xl-placement.js';
export { readScenario, type Scenario } from './scenario/read-scenario.js';
export { type EventResult, runScenario } from './scenario/run-scenario.js';
export { scenarioJsonSchema } from './scenario/schema.js';
export { renderHostMapSvg } from './view/host-map-svg.js';
export { type HostMapTextOptions, renderHostMapText } from './view/host-map-text.js';
export type { HypercallDoor } from './xenctrl/door.js';
export { EmbeddedDoor } from './xenctrl/embedded-door.js';
export { openXenctrl } from './xenctrl/open-xenctrl.js';
export type { Xenctrl } from './xenctrl/xenctrl.js';
export { type EmbeddedHost, type EmbeddedHostOptions, embeddedHost } from './xenopsd/embedded-host.js';
export { createToolstack } from './xenopsd/host-toolstack.js';
export { type Profile, profileOf } from './xenopsd/profiles.js';
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
} from './xenopsd/toolstack.js';
export { type XenHost, type XenHostOptions, xenHost } from './xenopsd/xen-host.js';
