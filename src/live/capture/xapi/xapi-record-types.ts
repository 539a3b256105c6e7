// xapi's records of hosts and VMs, as far as placement needs them.

export interface XapiVm {
  readonly uuid: string;
  readonly name: string;
  /** VCPUs_params["mask"]. */
  readonly mask?: string;
  /** The record does not have VCPUs_params, so that a mask is not known. */
  readonly paramsUnknown?: true;
  /** For a running VM with a known domain. */
  readonly running?: { readonly domid: number; readonly vcpus?: number; readonly memoryBytes?: number; readonly hostUuid?: string };
}

export interface XapiHost {
  readonly uuid: string;
  readonly name: string;
  /** As the host calls itself; the same as `xl info` prints. */
  readonly hostname?: string;
  readonly numaPolicy?: string;
  /** software_version: product_version, xapi's own and others. */
  readonly software: ReadonlyMap<string, string>;
}

export interface XapiRecords {
  readonly hosts: readonly XapiHost[];
  readonly vms: readonly XapiVm[];
}
