// xe's failures: the kinds of errors that it distinguishes, and its message on stderr for each
// (xapi-cli-server/xapi_cli.ml exception_handler, cli_util.ml server_error of xen-api e2ee48d6).
import { XapiError } from '../xapi-client/errors.js';
import { DEVICE_MESSAGES } from './devices/failures.js';
import { REMAINING_MESSAGES } from './remaining/failures.js';

/** "Error: ..." */
export class XeFailure extends Error {
  override readonly name = 'XeFailure';
}

/** Printed as it is. */
export class XePlainFailure extends Error {
  override readonly name = 'XePlainFailure';
}

/** "Required parameter not found: uuid" and its like, with a hint to the help. */
export class XeUsageFailure extends Error {
  override readonly name = 'XeUsageFailure';
}

/** A field that the class does not have. */
export class XeMissingParameter extends Error {
  override readonly name = 'XeMissingParameter';
}

/** Some of several objects failed; the others are done. */
export class XeMultipleFailure extends Error {
  override readonly name = 'XeMultipleFailure';
  readonly failures: readonly (readonly [uuid: string, message: string])[];
  constructor(failures: readonly (readonly [string, string])[]) {
    super('some operations failed');
    this.failures = failures;
  }
}

const VM_STATE =
  "You attempted an operation on a VM that was not in an appropriate power state at the time; for example, you attempted to start a VM that was already running. The parameters returned are the VM's handle, and the expected and actual VM state at the time of the call.";

/** Of files that are exported and imported. */
const ARCHIVE_MESSAGES: Readonly<Record<string, readonly [text: string, ...params: string[]]>> = {
  IMPORT_ERROR: ['The VM could not be imported.', 'msg'],
  IMPORT_ERROR_PREMATURE_EOF: ['The VM could not be imported; the end of the file was reached prematurely.'],
  IMPORT_ERROR_FAILED_TO_FIND_OBJECT: ['The VM could not be imported because a required object could not be found.', 'id'],
  IMPORT_ERROR_UNEXPECTED_FILE: [
    'The VM could not be imported because the XVA file is invalid: an unexpected file was encountered.',
    'filename_expected',
    'filename_found',
  ],
  IMPORT_INCOMPATIBLE_VERSION: ['The import failed because this export has been created by a different (incompatible) product version'],
  VM_TO_IMPORT_IS_NOT_NEWER_VERSION: [
    'The VM cannot be imported unforced because it is either the same version or an older version of an existing VM.',
    'vm',
    'existing_version',
    'version_to_import',
  ],
};

/**
 * Codes that scripts meet here: what xe says of them, and the names of their parameters
 * (ocaml/idl/datamodel_errors.ml).
 */
const SENTENCES: Readonly<Record<string, readonly [text: string, ...params: string[]]>> = {
  ...DEVICE_MESSAGES,
  ...REMAINING_MESSAGES,
  ...ARCHIVE_MESSAGES,
  UUID_INVALID: ['The uuid you supplied was invalid.', 'type', 'uuid'],
  HANDLE_INVALID: [
    'You gave an invalid object reference. The object may have recently been deleted. The class parameter gives the type of reference given, and the handle parameter echoes the bad value given.',
    'class',
    'handle',
  ],
  VM_BAD_POWER_STATE: [VM_STATE, 'vm', 'expected', 'actual'],
  PROVISION_ONLY_ALLOWED_ON_TEMPLATE: ['The provision call can only be invoked on templates, not regular VMs.'],
  MEMORY_CONSTRAINT_VIOLATION_MAXPIN: [
    'The dynamic memory range violates constraint static_min = dynamic_min = dynamic_max = static_max.',
    'reason',
  ],
  VM_IS_TEMPLATE: ['The operation attempted is not valid for a template VM', 'vm'],
  VM_NO_VCPUS: ['You need at least 1 VCPU to start a VM', 'vm'],
  HOST_NOT_ENOUGH_FREE_MEMORY: ['Not enough server memory is available to perform this operation.', 'needed', 'available'],
  HOST_NOT_ENOUGH_PCPUS: [
    'The host does not have enough pCPUs to run the VM. It needs at least as many as the VM has vCPUs.',
    'vcpus',
    'pcpus',
  ],
  VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE: ['VCPUs_max must be a multiple of cores-per-socket', 'vcpu_max', 'cores_per_socket'],
  CANNOT_EVACUATE_HOST: ['This server cannot be evacuated.', 'errors'],
  CANNOT_RESET_CONTROL_DOMAIN: ['The power-state of a control domain cannot be reset.', 'vm'],
  DOMAIN_EXISTS: ['The operation could not be performed because a domain still exists for the specified VM.', 'vm', 'domid'],
  NO_HOSTS_AVAILABLE: ['There were no servers available to complete the specified operation.'],
  HOST_OFFLINE: ['You attempted an operation which involves a host which could not be contacted.', 'host'],
  HOST_NOT_DISABLED: ['This operation cannot be performed because the host is not disabled. Please disable the host and then try again.'],
  HOST_IN_USE: [
    'This operation cannot be completed as the host is in use by (at least) the object of type and ref echoed below.',
    'host',
    'type',
    'ref',
  ],
  HOST_DISABLED: ['The specified server is disabled.', 'host'],
  HOST_IS_SLAVE: [
    'You cannot make regular API calls directly on a supporter. Please pass API calls via the coordinator host.',
    'Master IP address',
  ],
  OTHER_OPERATION_IN_PROGRESS: [
    'Another operation involving the object is currently in progress',
    'class',
    'object',
    'operation_type',
    'operation_ref',
  ],
  OPERATION_NOT_ALLOWED: ['You attempted an operation that was not allowed.', 'reason'],
  OPERATION_BLOCKED: [
    'You attempted an operation that was explicitly blocked (see the blocked_operations field of the given object).',
    'ref',
    'code',
  ],
  VALUE_NOT_SUPPORTED: [
    'You attempted to set a value that is not supported by this implementation. The fully-qualified field name and the value that you tried to set are returned. Also returned is a developer-only diagnostic reason.',
    'field',
    'value',
    'reason',
  ],
  INVALID_VALUE: ['The value given is invalid', 'field', 'value'],
  FIELD_TYPE_ERROR: ['The value specified is of the wrong type', 'field'],
  MAP_DUPLICATE_KEY: ['You tried to add a key-value pair to a map, but that key is already there.', 'type', 'param_name', 'uuid', 'key'],
  MEMORY_CONSTRAINT_VIOLATION_ORDER: [
    'The dynamic memory range violates constraint static_min <= dynamic_min <= dynamic_max <= static_max.',
  ],
  MEMORY_CONSTRAINT_VIOLATION: ['The dynamic memory range does not satisfy the following constraint.', 'constraint'],
  MESSAGE_REMOVED: ['This function is no longer available.'],
  MESSAGE_METHOD_UNKNOWN: ['You tried to call a method that does not exist. The method name that you used is echoed.', 'method'],
  MESSAGE_PARAMETER_COUNT_MISMATCH: [
    'You tried to call a method with the incorrect number of parameters. The fully-qualified method name that you used, and the number of received and expected parameters are returned.',
    'method',
    'expected',
    'received',
  ],
  VM_LACKS_FEATURE: ['You attempted an operation on a VM which lacks the feature.', 'vm'],
  EVENTS_LOST: ['Some events have been lost from the queue and cannot be retrieved.'],
  EVENT_FROM_TOKEN_PARSE_FAILURE: [
    "The event.from token could not be parsed. Valid values include: '', and a value returned from a previous event.from call.",
    'token',
  ],
  SESSION_NOT_REGISTERED: [
    'This session is not registered to receive events. You must call event.register before event.next. The session handle you are using is echoed.',
    'handle',
  ],
  NOT_IMPLEMENTED: ['The function is not implemented', 'function'],
  RBAC_PERMISSION_DENIED: ['RBAC permission denied.', 'permission', 'message'],
  SESSION_INVALID: [
    'You gave an invalid session reference. It may have been invalidated by a server restart, or timed out. You should get a new session handle, using one of the session.login_ calls. This error does not invalidate the current connection. The handle parameter echoes the bad value given.',
    'handle',
  ],
  TASK_CANCELLED: ['The request was asynchronously canceled.', 'task'],
  TOO_MANY_PENDING_TASKS: ['The request was rejected because there are too many pending tasks on the server.'],
  TOO_BUSY: ['The request was rejected because the server is too busy.'],
  INTERNAL_ERROR: [
    'The server failed to handle your request, due to an internal error. The given message may give details useful for debugging the problem.',
    'message',
  ],
};

/**
 * The lines for an error of the API whose references were made readable; null for a code that xe
 * has no words for.
 */
export function tellServerError(code: string, params: readonly string[]): string[] | null {
  const known = Object.hasOwn(SENTENCES, code) ? SENTENCES[code]! : null;
  if (known === null) return null;
  const [text, ...names] = known;
  const count = Math.max(names.length, params.length);
  return [text, ...Array.from({ length: count }, (_, index) => `${names[index] ?? '<extra>'}: ${params[index] ?? '<unknown>'}`)];
}

/** A code that xe has no sentence for. */
export interface BareCode {
  readonly code: string;
  readonly params: readonly string[];
}

/**
 * What goes to stderr for an error, without the last newline; null for a fault that is not xe's.
 * @param readable makes a reference of a parameter readable: uuid and name
 */
export async function tellFailure(error: unknown, readable: (param: string) => Promise<string>): Promise<string | BareCode | null> {
  if (error instanceof XeFailure) return `Error: ${error.message}`;
  if (error instanceof XePlainFailure) return error.message;
  if (error instanceof XeUsageFailure) return `${error.message}\nFor usage run: 'xe help'`;
  if (error instanceof XeMissingParameter) return { code: 'Missing parameter', params: [error.message] };
  if (!(error instanceof XapiError)) return null;
  if (error.code === 'SESSION_AUTHENTICATION_FAILED') {
    const named = (error.params[0] ?? '') !== '';
    return `${named ? 'Authentication failed' : 'Username/password must be specified'}\nFor usage run: 'xe help'`;
  }
  const params = await Promise.all(error.params.map(readable));
  return tellServerError(error.code, params)?.join('\n') ?? { code: error.code, params };
}

/** One line a failure among several, as xe words it. */
export function tellOneOfSeveral(error: unknown): string {
  if (error instanceof XapiError) {
    const known = tellServerError(error.code, error.params);
    return known === null ? `${error.code}: [ ${error.params.join('; ')} ]` : known.join('\n');
  }
  return `INTERNAL_ERROR: [ ${error instanceof Error ? error.message : String(error)} ]`;
}
