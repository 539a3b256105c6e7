// The features of the storage drivers of a modelled host, as SM.features of a XenServer or XCP-ng
// host lists them, and the sizes of their disks (VHDs: libs/sm/vhdutil.py of sm).
import { GIB, MIB } from '../../base/units.js';
import { backend, deviceErrors } from '../wire/device-errors.js';

interface Driver {
  readonly label: string;
  readonly description: string;
  readonly features: readonly string[];
  /** Whether a disk takes all of its space at once. */
  readonly thick: boolean;
  /** Keys of a new SR's device_config, with the code for each that is missing. */
  readonly needs: readonly (readonly [key: string, code: number])[];
}

const DISKS = [
  'SR_UPDATE',
  'VDI_CREATE',
  'VDI_DELETE',
  'VDI_ATTACH',
  'VDI_DETACH',
  'VDI_RESIZE',
  'VDI_CLONE',
  'VDI_SNAPSHOT',
  'VDI_UPDATE',
  'VDI_INTRODUCE',
  'VDI_GENERATE_CONFIG',
  'VDI_RESET_ON_BOOT',
  'VDI_CONFIG_CBT',
  'VDI_MIRROR',
];

export const DRIVERS: Readonly<Record<string, Driver>> = {
  ext: {
    label: 'Local EXT3 VHD',
    description: 'VHD disks in files of a local file system',
    features: DISKS,
    thick: false,
    needs: [['device', 90]],
  },
  lvm: {
    label: 'Local VHD on LVM',
    description: 'VHD disks in local logical volumes',
    features: DISKS,
    thick: true,
    needs: [['device', 90]],
  },
  nfs: {
    label: 'NFS VHD',
    description: 'VHD disks in files of an NFS server',
    features: DISKS,
    thick: false,
    needs: [
      ['server', 102],
      ['serverpath', 101],
    ],
  },
  lvmoiscsi: {
    label: 'LVHD over iSCSI',
    description: 'VHD disks in logical volumes over iSCSI',
    features: DISKS,
    thick: true,
    needs: [
      ['target', 95],
      ['targetIQN', 96],
      ['SCSIid', 107],
    ],
  },
  iso: {
    label: 'ISO',
    description: 'CD images',
    features: ['SR_UPDATE', 'VDI_ATTACH', 'VDI_DETACH', 'VDI_INTRODUCE'],
    thick: false,
    needs: [['location', 220]],
  },
};

/** @throws XapiError SR_BACKEND_FAILURE of the first key that is missing */
export function assertConfig(type: string, config: Readonly<Record<string, unknown>>): void {
  if (!Object.hasOwn(DRIVERS, type)) return;
  const missing = DRIVERS[type]!.needs.find(([key]) => !Object.hasOwn(config, key));
  if (missing !== undefined) throw backend(missing[1], `device_config has no ${missing[0]}`);
}

/** Size of an SR that is created without one. */
export const SR_BYTES = 1024 * GIB;
const BLOCK_BYTES = 2 * MIB;
const MOST_MIB = 2_088_960;

/** @throws XapiError SR_BACKEND_FAILURE_79 */
export function roundedSize(bytes: number): number {
  if (bytes < 0 || bytes > MOST_MIB * MIB) throw deviceErrors.vdiSize(`VDI size must be between 1 MB and ${MOST_MIB} MB`);
  return Math.max(1, Math.ceil(bytes / BLOCK_BYTES)) * BLOCK_BYTES;
}
