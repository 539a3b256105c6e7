// XAPI's errors about network cards, VLANs, bonds and tunnels, with the parameters that xapi gives
// them (ocaml/xapi-consts/api_errors.ml of xen-api e2ee48d6).
import { XapiError } from './errors.js';

const CARD_NOT_FOUND = 'COULD_NOT_FIND_NETWORK_INTERFACE_WITH_SPECIFIED_DEVICE_NAME_AND_MAC_ADDRESS';

export const networkErrors = {
  networkUnmanaged: (network: string) => new XapiError('NETWORK_UNMANAGED', network),
  pifUnmanaged: (pif: string) => new XapiError('PIF_UNMANAGED', pif),
  alreadyConnected: (host: string, pif: string) => new XapiError('NETWORK_ALREADY_CONNECTED', host, pif),
  alreadyBonded: (pif: string) => new XapiError('PIF_ALREADY_BONDED', pif),
  cannotPlugMember: (pif: string) => new XapiError('CANNOT_PLUG_BOND_SLAVE', pif),
  unplugDisallowed: (pif: string) => new XapiError('PIF_DOES_NOT_ALLOW_UNPLUG', pif),
  transportNotConfigured: (pif: string) => new XapiError('TRANSPORT_PIF_NOT_CONFIGURED', pif),
  vifInUse: (network: string, vif: string) => new XapiError('VIF_IN_USE', network, vif),
  pifNotPresent: (host: string, network: string) => new XapiError('PIF_NOT_PRESENT', host, network),
  pifIsUnplugged: (pif: string) => new XapiError('REQUIRED_PIF_IS_UNPLUGGED', pif),
  hasNoIp: (pif: string) => new XapiError('INTERFACE_HAS_NO_IP', pif),
  hostCannotAttach: (host: string, network: string) => new XapiError('HOST_CANNOT_ATTACH_NETWORK', host, network),
  /** Neither xapi_vlan.ml nor xapi_pif.ml gives the PIF that the catalogue names. */
  pifIsPhysical: () => new XapiError('PIF_IS_PHYSICAL'),
  pifIsNotPhysical: (pif: string) => new XapiError('PIF_IS_NOT_PHYSICAL', pif),
  pifIsVlan: (pif: string) => new XapiError('PIF_IS_VLAN', pif),
  pifIsTunnel: (pif: string) => new XapiError('IS_TUNNEL_ACCESS_PIF', pif),
  notSriovCapable: (pif: string) => new XapiError('PIF_IS_NOT_SRIOV_CAPABLE', pif),
  vlanTagInvalid: (tag: number) => new XapiError('VLAN_TAG_INVALID', String(tag)),
  vlanExists: (device: string) => new XapiError('PIF_VLAN_EXISTS', device),
  vlanStillExists: (pif: string) => new XapiError('PIF_VLAN_STILL_EXISTS', pif),
  vlanOnMember: (pif: string) => new XapiError('CANNOT_ADD_VLAN_TO_BOND_SLAVE', pif),
  tunnelStillExists: (pif: string) => new XapiError('PIF_TUNNEL_STILL_EXISTS', pif),
  tunnelOnMember: (pif: string) => new XapiError('CANNOT_ADD_TUNNEL_TO_BOND_SLAVE', pif),
  bondCrossHost: () => new XapiError('PIF_CANNOT_BOND_CROSS_HOST'),
  bondNeedsMembers: () => new XapiError('PIF_BOND_NEEDS_MORE_MEMBERS'),
  bondMoreThanOneIp: () => new XapiError('PIF_BOND_MORE_THAN_ONE_IP'),
  addressTypeDiffers: (pif: string) => new XapiError('PIF_INCOMPATIBLE_PRIMARY_ADDRESS_TYPE', pif),
  propertiesDiffer: () => new XapiError('INCOMPATIBLE_PIF_PROPERTIES'),
  propertiesFixed: (pif: string) => new XapiError('CANNOT_CHANGE_PIF_PROPERTIES', pif),
  deviceTaken: (device: string) => new XapiError('DUPLICATE_PIF_DEVICE_NAME', device),
  cardNotFound: (device: string, mac: string) => new XapiError(CARD_NOT_FOUND, device, mac),
  invalidAddress: (field: string) => new XapiError('INVALID_IP_ADDRESS_SPECIFIED', field),
  invalidCidr: (field: string) => new XapiError('INVALID_CIDR_ADDRESS_SPECIFIED', field),
  purposesConflict: (value: string, known: string) => new XapiError('NETWORK_INCOMPATIBLE_PURPOSES', value, known),
} as const;
