// The NUMA policies by name: those of Host.numa_affinity_policy (ocaml/idl/datamodel_host.ml), the
// two that xenopsd derives from its configuration, and xennuma's own.

export const POLICIES = ['default_policy', 'any', 'best_effort', 'best_effort_hard', 'prio_mem_only', 'tight'] as const;
export type PolicyName = (typeof POLICIES)[number];
