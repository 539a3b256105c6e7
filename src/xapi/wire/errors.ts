// XAPI's errors: a code and its parameters, in the order that ocaml/idl/datamodel_errors.ml of
// xen-api gives them. One catalogue.

/** What a failed call answers. */
export class XapiError extends Error {
  readonly code: string;
  readonly params: readonly string[];
  constructor(code: string, ...params: readonly string[]) {
    super(params.length === 0 ? code : `${code}(${params.join(', ')})`);
    this.name = 'XapiError';
    this.code = code;
    this.params = params;
  }
}

export const xapiErrors = {
  handleInvalid: (type: string, ref: string) => new XapiError('HANDLE_INVALID', type, ref),
  uuidInvalid: (type: string, uuid: string) => new XapiError('UUID_INVALID', type, uuid),
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
  /** Of one VM, as evacuation says it. */
  noHostsForVm: (ref: string) => new XapiError('NO_HOSTS_AVAILABLE', ref),
  hostDisabled: (ref: string) => new XapiError('HOST_DISABLED', ref),
  notEnoughPcpus: (vcpus: number, pcpus: number) => new XapiError('HOST_NOT_ENOUGH_PCPUS', String(vcpus), String(pcpus)),
  coresPerSocket: (vcpus: number, cores: string) => new XapiError('VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE', String(vcpus), cores),
  cannotEvacuate: (errors: string) => new XapiError('CANNOT_EVACUATE_HOST', errors),
  cannotResetControlDomain: (ref: string) => new XapiError('CANNOT_RESET_CONTROL_DOMAIN', ref),
  domainExists: (ref: string) => new XapiError('DOMAIN_EXISTS', ref),
  operationNotAllowed: (reason: string) => new XapiError('OPERATION_NOT_ALLOWED', reason),
  operationBlocked: (ref: string, code: string) => new XapiError('OPERATION_BLOCKED', ref, code),
  lacksSuspend: (ref: string) => new XapiError('VM_LACKS_FEATURE_SUSPEND', ref),
  taskCancelled: (ref: string) => new XapiError('TASK_CANCELLED', ref),
  eventsLost: () => new XapiError('EVENTS_LOST'),
  eventTokenInvalid: (token: string) => new XapiError('EVENT_FROM_TOKEN_PARSE_FAILURE', token),
  notRegistered: (type: string) => new XapiError('SESSION_NOT_REGISTERED', type),
  notImplemented: (what: string) => new XapiError('NOT_IMPLEMENTED', what),
  /** Nothing of the change was kept. XAPI has no code for it. */
  notStored: (reason: string) => new XapiError('INTERNAL_ERROR', `nothing was changed: ${reason}`),
  internal: (message: string) => new XapiError('INTERNAL_ERROR', message),
} as const;
