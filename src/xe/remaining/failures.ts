// What xe says of errors about what a pool does not have (ocaml/idl/datamodel_errors.ml of xen-api
// e2ee48d6).
export const REMAINING_MESSAGES: Readonly<Record<string, readonly [text: string, ...params: string[]]>> = {
  WLB_NOT_INITIALIZED: ['No WLB connection is configured.'],
  HA_NOT_ENABLED: ['The operation could not be performed because HA is not enabled on the Pool'],
  CRL_DOES_NOT_EXIST: ['The specified CRL does not exist.', 'name'],
  INVALID_EDITION: ['The edition you supplied is invalid.', 'edition'],
  VTPM_MAX_AMOUNT_REACHED: ['The VM cannot be associated with more VTPMs.', 'amount'],
  CHANGE_PASSWORD_REJECTED: ['The system rejected the password change request; perhaps the new password was too short?', 'msg'],
  AUTH_IS_DISABLED: ['External authentication is disabled'],
  AUTH_UNKNOWN_TYPE: ['Unknown type of external authentication.', 'type'],
  CANNOT_ENABLE_REDO_LOG: ['Could not enable redo log.', 'reason'],
  NO_REPOSITORY_ENABLED: ['There is no repository being enabled.'],
  SR_DOES_NOT_SUPPORT_MIGRATION: ["Cannot migrate a VDI to or from an SR that doesn't support migration.", 'sr', 'capabilities'],
  CANNOT_CREATE_STATE_FILE: ['No storage can hold the state file of high availability.'],
  HA_CONSTRAINT_VIOLATION_NETWORK_NOT_SHARED: ['The network does not reach all hosts of the pool.', 'network'],
  HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED: ['The storage does not reach all hosts of the pool.', 'SR'],
  INVALID_CLUSTER_STACK: ['There is no cluster stack of this name.', 'cluster_stack'],
  COULD_NOT_IMPORT_DATABASE: ['The disk has no database that could be read.', 'reason'],
  DUPLICATE_MAC_SEED: ['Another VM has this seed of MAC addresses.', 'seed'],
  MESSAGE_DEPRECATED: ['This call is deprecated.'],
  PERMISSION_DENIED: ['This caller has no permission for the operation.', 'message'],
};
