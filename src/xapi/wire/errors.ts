// XAPI's errors: a code and its parameters, in the order that ocaml/idl/datamodel_errors.ml of
// xen-api gives them. One catalogue.

/** The answer of a failed call. */
export class XapiError extends Error {
  readonly code: string;
  readonly params: readonly string[];
  constructor(code: string, ...params: readonly string[]) {
    // It is an answer and not a fault, so nobody reads its stack. A VM's allowed_operations, which
    // try every operation, would spend most of their time on stacks.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(params.length === 0 ? code : `${code}(${params.join(', ')})`);
    Error.stackTraceLimit = stackTraceLimit;
    this.name = 'XapiError';
    this.code = code;
    this.params = params;
  }
}

/** Codes of a host that cannot join another pool. */
export const JOINING_CODES = [
  'JOINING_HOST_CANNOT_BE_MASTER_OF_OTHER_HOSTS',
  'JOINING_HOST_CANNOT_HAVE_RUNNING_VMS',
  'JOINING_HOST_CANNOT_HAVE_VMS_WITH_CURRENT_OPERATIONS',
  'JOINING_HOST_CANNOT_CONTAIN_SHARED_SRS',
  'POOL_JOINING_HOST_HAS_BONDS',
  'POOL_JOINING_HOST_HAS_TUNNELS',
  'POOL_JOINING_HOST_HAS_NON_MANAGEMENT_VLANS',
] as const;

export const joiningError = (code: (typeof JOINING_CODES)[number]): XapiError => new XapiError(code);

/** Storage refused a change, and nothing of it was kept. XAPI has no code for it. */
export class NotStoredError extends XapiError {
  readonly reason: string;
  constructor(reason: string) {
    super('INTERNAL_ERROR', `nothing was changed: ${reason}`);
    this.reason = reason;
  }
}

export const xapiErrors = {
  handleInvalid: (type: string, ref: string) => new XapiError('HANDLE_INVALID', type, ref),
  uuidInvalid: (type: string, uuid: string) => new XapiError('UUID_INVALID', type, uuid),
  messageRemoved: () => new XapiError('MESSAGE_REMOVED'),
  /** xapi has no code for it (server_helpers.ml, do_dispatch). */
  noAsync: (method: string) => new XapiError('Fault', `No async mode for this operation (rpc: ${method})`),
  methodUnknown: (method: string) => new XapiError('MESSAGE_METHOD_UNKNOWN', method),
  parameterCount: (method: string, expected: number, received: number) =>
    new XapiError('MESSAGE_PARAMETER_COUNT_MISMATCH', method, String(expected), String(received)),
  fieldType: (field: string) => new XapiError('FIELD_TYPE_ERROR', field),
  valueNotSupported: (field: string, value: string, reason: string) => new XapiError('VALUE_NOT_SUPPORTED', field, value, reason),
  invalidValue: (field: string, value: string) => new XapiError('INVALID_VALUE', field, value),
  mapDuplicateKey: (type: string, field: string, uuid: string, key: string) => new XapiError('MAP_DUPLICATE_KEY', type, field, uuid, key),
  memoryNotPinned: (reason: string) => new XapiError('MEMORY_CONSTRAINT_VIOLATION_MAXPIN', reason),
  memoryOrder: () => new XapiError('MEMORY_CONSTRAINT_VIOLATION_ORDER'),
  sessionInvalid: (ref: string) => new XapiError('SESSION_INVALID', ref),
  authenticationFailed: (user: string, reason: string) => new XapiError('SESSION_AUTHENTICATION_FAILED', user, reason),
  permissionDenied: (method: string) =>
    new XapiError('RBAC_PERMISSION_DENIED', method.toLowerCase(), `No permission in user session for ${method}`),
  badPowerState: (ref: string, expected: string, actual: string) =>
    new XapiError('VM_BAD_POWER_STATE', ref, expected.toLowerCase(), actual.toLowerCase()),
  notEnoughFreeMemory: (neededBytes: number, availableBytes: number) =>
    new XapiError('HOST_NOT_ENOUGH_FREE_MEMORY', String(neededBytes), String(availableBytes)),
  /** The second parameter is not in the catalogue, but xapi gives it (xapi_vm_lifecycle.ml). */
  vmIsTemplate: (ref: string, operation: string) => new XapiError('VM_IS_TEMPLATE', ref, operation),
  vmIsSnapshot: (ref: string, operation: string) => new XapiError('VM_IS_SNAPSHOT', ref, operation),
  onlyRevertSnapshot: () => new XapiError('REVERT_ONLY_ALLOWED_ON_SNAPSHOT'),
  onlyProvisionTemplate: () => new XapiError('PROVISION_ONLY_ALLOWED_ON_TEMPLATE'),
  noHostsAvailable: () => new XapiError('NO_HOSTS_AVAILABLE'),
  /** The form with one VM, as in an evacuation. */
  noHostsForVm: (ref: string) => new XapiError('NO_HOSTS_AVAILABLE', ref),
  hostDisabled: (ref: string) => new XapiError('HOST_DISABLED', ref),
  hostNotLive: () => new XapiError('HOST_NOT_LIVE'),
  hostIsLive: (ref: string) => new XapiError('HOST_IS_LIVE', ref),
  hasResidentVms: (ref: string) => new XapiError('HOST_HAS_RESIDENT_VMS', ref),
  powerOnDisabled: () => new XapiError('HOST_POWER_ON_MODE_DISABLED'),
  evacuateInProgress: (ref: string) => new XapiError('HOST_EVACUATE_IN_PROGRESS', ref),
  hostNotDisabled: () => new XapiError('HOST_NOT_DISABLED'),
  hostInUse: (ref: string, type: string, user: string) => new XapiError('HOST_IN_USE', ref, type, user),
  notEnoughPcpus: (vcpus: number, pcpus: number) => new XapiError('HOST_NOT_ENOUGH_PCPUS', String(vcpus), String(pcpus)),
  coresPerSocket: (vcpus: number, cores: string) => new XapiError('VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE', String(vcpus), cores),
  cannotEvacuate: (errors: string) => new XapiError('CANNOT_EVACUATE_HOST', errors),
  cannotResetControlDomain: (ref: string) => new XapiError('CANNOT_RESET_CONTROL_DOMAIN', ref),
  domainExists: (ref: string) => new XapiError('DOMAIN_EXISTS', ref),
  operationNotAllowed: (reason: string) => new XapiError('OPERATION_NOT_ALLOWED', reason),
  otherOperation: (type: string, ref: string, operation: string, task: string) =>
    new XapiError('OTHER_OPERATION_IN_PROGRESS', type, ref, operation, task),
  partiallyFailed: (operation: string, refs: readonly string[]) => new XapiError('OPERATION_PARTIALLY_FAILED', operation, ...refs),
  tooManyGroups: () => new XapiError('TOO_MANY_GROUPS'),
  operationBlocked: (ref: string, code: string) => new XapiError('OPERATION_BLOCKED', ref, code),
  immobile: (ref: string) => new XapiError('VM_IS_IMMOBILE', ref),
  nestedVirt: (ref: string) => new XapiError('VM_IS_USING_NESTED_VIRT', ref),
  noQuiesce: (ref: string) => new XapiError('VM_SNAPSHOT_WITH_QUIESCE_NOT_SUPPORTED', ref),
  lacksSuspend: (ref: string) => new XapiError('VM_LACKS_FEATURE', ref),
  taskCancelled: (ref: string) => new XapiError('TASK_CANCELLED', ref),
  eventsLost: () => new XapiError('EVENTS_LOST'),
  eventTokenInvalid: (token: string) => new XapiError('EVENT_FROM_TOKEN_PARSE_FAILURE', token),
  /** session_check.ml */
  betweenHosts: (action: string) =>
    new XapiError('INTERNAL_ERROR', `Internal API "${action}" call attempted with non-pool (external) session`),
  notRegistered: (type: string) => new XapiError('SESSION_NOT_REGISTERED', type),
  notImplemented: (what: string) => new XapiError('NOT_IMPLEMENTED', what),
  notStored: (reason: string) => new NotStoredError(reason),
  internal: (message: string) => new XapiError('INTERNAL_ERROR', message),
} as const;
